"""SIGKILL in the middle of what takes long: a merge, a copy, a wiping.

The next process goes on with it; and when everything is deleted, no old block can be read by whoever gets
the extents.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from drivers.lvm import commands, devicemapper
from drivers.model import MIB
from tests.crash.content import MARK, content, look, pattern, read_part, snapshot_content, write
from tests.crash.disks import EXTENT, GROUP, START, Disks, Kept, data
from tests.crash.door import Door, die
from tests.crash.life import live
from tests.crash.node import Home, Node, done, running
from tests.crash.scenario import Act
from tests.crash.state import state

pytestmark = [pytest.mark.lab, pytest.mark.fault, pytest.mark.timeout(300)]

THROTTLE = Path("/sys/module/dm_snapshot/parameters/snapshot_copy_throttle")
SIZE = 64 * MIB
OLD, NEW = pattern(1, MIB), pattern(2, MIB)

Bases = Callable[[bool], Kept]


@pytest.fixture
def home(disks: Disks, bases: Bases) -> Home:
    """An empty group without a pool."""
    disks.set_back(bases(False))
    return Home(disks)


def test_a_wiping_goes_on_where_it_was_cut_off(home: Home) -> None:
    def delete(door: Door, node: Node) -> None:
        filled(node, "source", 3 * SIZE, OLD)
        door.last_step = "go on wiping"
        node.delete("source")
        node.settle()

    assert live(lambda door: alone(home, partial(delete, door), door)).killed
    assert 0 < marked(home) < 3 * SIZE // EXTENT
    live(lambda door: alone(home, Node.settle, door))
    live(lambda _door: assert_nothing_is_left(home))


def test_a_copy_goes_on_with_what_its_snapshot_shows(home: Home) -> None:
    def prepare(node: Node) -> dict[str, str]:
        filled(node, "source", SIZE, OLD)
        return node.ids

    def clone(node: Node) -> None:
        dies_when(lambda: any(job.done for job in jobs(node)))
        node.clone("copy", SIZE, "source")

    def again(node: Node) -> None:
        with node.connected("source") as connection:
            write(connection.path, NEW * (SIZE // MIB))
        done(lambda: node.clone("copy", SIZE, "source"))
        node.settle()
        assert content(node, "copy") == OLD * (SIZE // MIB)
        node.clear()

    ids = live(lambda door: alone(home, prepare, door)).answer
    assert live(lambda door: alone(home, clone, door, ids)).killed
    assert SIZE // EXTENT < marked(home) < 2 * SIZE // EXTENT
    live(lambda door: alone(home, again, door, ids))
    live(lambda _door: assert_nothing_is_left(home))


@pytest.mark.parametrize("machine", ["stays up", "goes down"])
def test_a_merge_goes_on_to_its_end(home: Home, machine: str) -> None:
    def revert(node: Node) -> None:
        uuid = device_of(node, "source")
        dies_when(lambda: 0 < left_to_merge(uuid) < SIZE // 512)
        node.revert("source", "snapshot")

    def again(node: Node) -> None:
        done(lambda: node.revert("source", "snapshot"))
        node.settle()
        assert content(node, "source") == OLD * (SIZE // MIB)
        assert snapshot_content(node, "snapshot") == OLD * (SIZE // MIB)
        assert snapshot_content(node, "other") == NEW * (SIZE // MIB)
        assert not any("revert" in line or "note" in line for line in state(home).volumes)
        node.clear()

    ids = live(lambda door: alone(home, changed, door)).answer
    with slow_merges():
        assert live(lambda door: alone(home, revert, door, ids)).killed
        if machine == "goes down":
            home.disks.stop()
    live(lambda door: alone(home, again, door, ids))
    live(lambda _door: assert_nothing_is_left(home))


def test_others_get_room_while_a_merge_is_under_way(home: Home) -> None:
    def act(node: Node) -> None:
        changed(node)
        uuid = device_of(node, "source")
        with ThreadPoolExecutor(1) as others:
            with slow_merges():
                done = others.submit(node.revert, "source", "snapshot")
                until(lambda: left_to_merge(uuid) > 0)
                node.create("late", SIZE)
                assert MARK not in content(node, "late")
                node.expand("late", 2 * SIZE)
                node.snapshot("of late", "late")
                assert not done.done()
            done.result()
        assert content(node, "source") == OLD * (SIZE // MIB)
        assert snapshot_content(node, "other") == NEW * (SIZE // MIB)
        assert MARK not in content(node, "late")
        node.clear()

    live(lambda door: alone(home, act, door))
    live(lambda _door: assert_nothing_is_left(home))


def changed(node: Node) -> dict[str, str]:
    """A volume that has changed since the first of its two snapshots."""
    filled(node, "source", SIZE, OLD)
    node.snapshot("snapshot", "source")
    with node.connected("source") as connection:
        write(connection.path, NEW * (SIZE // MIB))
    node.snapshot("other", "source")
    return node.ids


@contextmanager
def slow_merges() -> Iterator[None]:
    """The kernel takes its time for the block."""
    THROTTLE.write_text("2")
    try:
        yield
    finally:
        THROTTLE.write_text("100")


def alone(home: Home, act: Act, door: Door, ids: dict[str, str] | None = None) -> object:
    """One act of a process of its own."""
    with running(home, door, ids or {}) as node:
        return act(node)


def filled(node: Node, name: str, size: int, piece: bytes) -> str:
    """Make a volume full of a pattern; returns the device-mapper UUID of its device."""
    node.create(name, size)
    with node.connected(name) as connection:
        write(connection.path, piece * (size // MIB))
        return connection.dm_uuid


def device_of(node: Node, name: str) -> str:
    with node.connected(name) as connection:
        return connection.dm_uuid


def jobs(node: Node) -> list[object]:
    return list(node.driver.get_volume_stats({}, refresh=False).jobs)


def left_to_merge(uuid: str) -> int:
    """The sectors in the COW area that are still to be copied; 0 if nothing is merging."""
    for target in devicemapper.status(uuid):
        if target.type == "snapshot-merge":
            used, _, rest = target.status.partition("/")
            return int(used) - int(rest.split()[1])
    return 0


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.001)


def dies_when(is_so: Callable[[], bool]) -> None:
    """Let this process be killed from now on as soon as something is so."""

    def watch() -> None:
        until(is_so)
        die()

    threading.Thread(target=watch, daemon=True).start()


def marked(home: Home) -> int:
    """In how many extents of the disks a marked block is."""
    found = set()
    for file in home.disks.files:
        with file.open("rb", 0) as disk:
            for start, end in data(disk.fileno()):
                for at in range(start, end, MIB):
                    if MARK in os.pread(disk.fileno(), min(MIB, end - at), at):
                        found.add((file, (at - START) // EXTENT))
    return len(found)


def assert_nothing_is_left(home: Home) -> None:
    """No object is there, and whoever gets all extents reads no old block."""
    lvm, group = look(home)
    assert not group.lvs
    lvm.run(commands.create_thick(GROUP, "all", extents=group.free, shape=[], tags=[]))
    path = Path("/dev") / GROUP / "all"
    size = group.free * EXTENT
    assert group.free == group.extents
    assert all(MARK not in read_part(path, at, MIB) for at in range(0, size, MIB))
    lvm.run(commands.remove(GROUP, "all"))
