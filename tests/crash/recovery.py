"""Starts of a process on what a dead one left: it may be killed while it mends that, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from drivers.exec import Host
from drivers.lvm import commands, devicemapper, names
from tests.crash.content import content, look, pattern
from tests.crash.disks import GROUP
from tests.crash.node import Home, Node
from tests.crash.scenario import SIZE, Act, Scenario, nothing
from tests.crash.storage import (
    OLD,
    changed,
    clone,
    create,
    cut,
    delete,
    dirty,
    extend,
    filled,
    is_blank,
    is_copy,
    is_grown_and_cut,
    is_reverted,
    revert,
)

MERGE = "lvm lvconvert --merge"
GROW = "lvm lvextend --extents"
FILL = "step zero the rest of vol-*"


def scenarios() -> Iterator[Scenario]:
    """All of them."""
    for pool in (False, True):
        kind = "thin" if pool else "thick"
        for left, way in (("frozen", frozen), ("half changed", half_changed)):
            yield Scenario(
                f"{kind}: start with a {left} device",
                nothing,
                is_source,
                filled,
                way,
                pool,
                cold=True,
            )
    yield _after("a revert", revert, is_reverted, changed, MERGE)
    half = _after("half a merge", revert, is_reverted, changed, MERGE)
    yield replace(half, meanwhile=begin_merge)
    yield _after("a growth", extend, is_grown_and_cut, cut, GROW)
    yield _after("a deletion", delete, nothing, filled, "lvm lvrename")
    yield _after("a clone", clone, is_copy, filled, "step copy to vol-*")
    wiped = _after("a wiped creation", create, is_blank, dirty, FILL)
    yield replace(wiped, options={"wipeOn": "both"})
    swap = _after("a swap", revert, is_reverted, changed, "lvm lvremove")
    yield replace(swap, name="thin: start after a swap", pool=True)


def _after(what: str, call: Act, verify: Act, prepare: Act, dies_at: str) -> Scenario:
    return Scenario(f"thick: start after {what}", call, verify, prepare, cold=True, dies_at=dies_at)


def half_changed(node: Node) -> None:
    """A program of LVM was killed while it changed the device: it is suspended, and a table waits."""
    name = _source(node)
    table = Host()(["dmsetup", "table", name]).stdout.strip()
    Host()(["dmsetup", "load", name, "--table", table])
    Host()(["dmsetup", "suspend", name])


def frozen(node: Node) -> None:
    """A cut and its guardian were killed: the device is suspended."""
    Host()(["dmsetup", "suspend", _source(node)])


def _source(node: Node) -> str:
    """The name of the source's device."""
    connection = node.driver.initialize_connection(node.volume("source").id)
    device = devicemapper.device(connection.dm_uuid)
    assert device is not None
    return device.name


def is_source(node: Node) -> None:
    assert content(node, "source") == pattern(OLD, SIZE)


def begin_merge(home: Home) -> None:
    """The merge was begun, and the machine went down before the kernel had copied anything."""
    lvm, group = look(home)
    origin = next(lv for lv in group.lvs.values() if lv.tag(names.REVERTING))
    noted = next(lv for lv in group.lvs.values() if lv.object_id == origin.tag(names.REVERTING))
    lvm.run(commands.merge(GROUP, noted.name))
