"""A mounted btrfs is held still for a snapshot, and never for longer than its guardian allows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from csi.node import devices
from csi.node.filesystems.btrfs import superblock
from drivers.errors import Precondition, Unavailable
from drivers.model import Volume
from drivers.quiesce import quiesced, thaw
from tests.integration.node.conftest import World
from tests.integration.node.test_filesystems import written_and_synced

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def number(device: Path) -> tuple[int, int]:
    found = device.stat().st_rdev
    return os.major(found), os.minor(found)


CanWrite = Callable[[Path, float], bool]


@pytest.fixture
def can_write(world: World) -> Iterator[CanWrite]:
    """Whether a write in a directory comes through within seconds; it goes on waiting if not."""
    writers = []

    def write(directory: Path, done: threading.Event) -> None:
        (directory / "probe").write_bytes(os.urandom(16))
        done.set()

    def tried(directory: Path, within: float) -> bool:
        done = threading.Event()
        writers.append(threading.Thread(target=write, args=(directory, done)))
        writers[-1].start()
        return done.wait(within)

    yield tried
    for writer in writers:
        writer.join()


def log_root(world: World, volume: Volume) -> int:
    with devices.opened(world.driver.initialize_connection(volume.id)) as device:
        return superblock(device).log_root


def dirty_copy(world: World, volume: Volume, staged: Path) -> Volume:
    """A copy that was made without holding the filesystem still."""
    for _ in range(20):
        with (staged / "synced").open("wb") as file:
            file.write(os.urandom(4096))
            file.flush()
            os.fsync(file.fileno())
        copy = world.driver.copy_blocks(volume.id)
        if log_root(world, copy):
            return copy
    raise AssertionError("no copy with a log was made")


def test_a_snapshot_in_the_block_has_no_log(world: World, can_write: CanWrite) -> None:
    volume = world.volume("btrfs")
    staged = world.stage(volume)
    with written_and_synced(staged):
        for _ in range(3):
            assert log_root(world, world.driver.clone(volume.id)) == 0
    assert can_write(staged, 5)


@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
def test_other_filesystems_are_left_to_device_mapper(
    world: World, can_write: CanWrite, fs_type: str
) -> None:
    volume = world.volume(fs_type)
    staged = world.stage(volume)
    with quiesced(number(world.device(volume))):
        assert can_write(staged, 5)


def test_a_block_that_takes_too_long_is_told_so_and_the_writers_go_on(
    world: World, can_write: CanWrite
) -> None:
    volume = world.volume("btrfs")
    staged = world.stage(volume)
    with (
        pytest.raises(Unavailable, match=r"thawed after 0\.5 s"),
        quiesced(number(world.device(volume)), limit=0.5),
    ):
        assert can_write(staged, 5)


def test_writers_wait_inside_and_go_on_after_an_error(world: World, can_write: CanWrite) -> None:
    volume = world.volume("btrfs")
    staged = world.stage(volume)
    with suppress(RuntimeError), quiesced(number(world.device(volume)), limit=5):
        assert not can_write(staged, 0.3)
        raise RuntimeError("the snapshot failed")
    assert can_write(staged, 5)


FREEZE_FOR_EVER = """
import sys, time
from drivers.quiesce import quiesced
with quiesced((int(sys.argv[1]), int(sys.argv[2])), limit=60):
    print("frozen", flush=True)
    time.sleep(60)
"""


@pytest.mark.fault
def test_the_death_of_the_parent_thaws(world: World, can_write: CanWrite) -> None:
    volume = world.volume("btrfs")
    staged = world.stage(volume)
    device = [str(each) for each in number(world.device(volume))]
    with subprocess.Popen(
        [sys.executable, "-c", FREEZE_FOR_EVER, *device],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "frozen\n"
        assert not can_write(staged, 0.3)
        process.send_signal(signal.SIGKILL)
        assert process.stderr.read() == ""  # it ends with the last that has it, the guardian
    assert can_write(staged, 5)


@pytest.mark.fault
def test_the_death_of_the_guardian_thaws_and_is_told(world: World, can_write: CanWrite) -> None:
    volume = world.volume("btrfs")
    staged = world.stage(volume)

    def kill_it_inside() -> None:
        with quiesced(number(world.device(volume)), limit=60):
            (guardian,) = world.run(["pgrep", "--full", "guardian.py"]).stdout.split()
            os.kill(int(guardian), signal.SIGKILL)
            assert not can_write(staged, 0.3)

    with pytest.raises(Unavailable, match="before the snapshot was done"):
        kill_it_inside()
    assert can_write(staged, 5)


@pytest.mark.fault
def test_what_a_killed_container_left_frozen_is_thawed_by_the_next(
    world: World, can_write: CanWrite
) -> None:
    volume = world.volume("btrfs")
    staged = world.stage(volume)
    world.run(["fsfreeze", "--freeze", staged])
    assert not can_write(staged, 0.3)
    with (
        pytest.raises(Unavailable, match="cannot be frozen"),
        quiesced(number(world.device(volume))),
    ):
        pass
    thaw(number(world.device(volume)))
    thaw(number(world.device(volume)))
    assert can_write(staged, 5)


def test_a_copy_with_a_log_is_refused_beside_its_source_and_replayed_without(
    world: World,
) -> None:
    volume = world.volume("btrfs")
    staged = world.stage(volume)
    copy = dirty_copy(world, volume, staged)
    expected = (staged / "synced").read_bytes()
    with pytest.raises(Precondition, match="make a new snapshot"):
        world.stage(copy)
    world.unstage(volume)
    assert (world.stage(copy) / "synced").read_bytes() == expected
    assert (world.stage(volume) / "synced").read_bytes() == expected
