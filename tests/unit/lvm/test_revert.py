"""Reverting: what it asks for first, and what nobody may do while it is unfinished."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from drivers.errors import Busy, CommandFailed, Exhausted, InUse, Invalid, NotFound, Precondition
from drivers.lvm import commands, names
from drivers.model import MIB, Content, SnapshotSpec
from tests.fakes.lvm import Died, FakeLvm, Process
from tests.fakes.lvm.driver import Life, life, lived

OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 4}


@pytest.fixture(params=["thin", "linear"])
def alive(lvm: FakeLvm, request: pytest.FixtureRequest) -> Iterator[Life]:
    with life(lvm, layout=request.param, **OPTIONS) as one:
        yield one


def test_a_snapshot_of_another_volume_is_invalid(alive: Life) -> None:
    one, other = alive.volume("one"), alive.volume("other")
    snapshot = alive.snapshot(other)
    with pytest.raises(Invalid, match="is not a snapshot of volume"):
        alive.driver.revert_to_snapshot(one.id, snapshot.id)


def test_what_does_not_exist_is_not_found(alive: Life) -> None:
    volume = alive.volume()
    snapshot = alive.snapshot(volume)
    alive.driver.delete_snapshot(snapshot.id)
    with pytest.raises(NotFound):
        alive.driver.revert_to_snapshot(volume.id, snapshot.id)


def test_an_open_volume_is_in_use_and_stays_as_it_is(alive: Life) -> None:
    volume = alive.volume()
    snapshot = alive.snapshot(volume)
    alive.driver.initialize_connection(volume.id)
    alive.lvm.device(alive.lvm.object(volume.id)).opened = 1
    del alive.process.changes[:]
    with pytest.raises(InUse, match="stop the pod"):
        alive.driver.revert_to_snapshot(volume.id, snapshot.id)
    assert alive.process.changes == []


def test_everything_but_the_content_is_kept(alive: Life) -> None:
    volume = alive.volume(size=4 * MIB)
    first = alive.snapshot(volume, "first")
    alive.driver.set_content(volume.id, Content.FORMATTED)
    second = alive.snapshot(volume, "second")
    alive.lvm.write(alive.lvm.object(volume.id), "second")
    grown = alive.driver.extend_volume(volume.id, 6 * MIB)
    after = alive.driver.revert_to_snapshot(volume.id, first.id)
    assert (after.id, after.size, after.requested) == (grown.id, 6 * MIB, grown.requested)
    # What a thick volume has beyond its snapshot stays as it was; a thin one has zeros there.
    assert after.zeroed is (volume.options["layout"] == "thin")
    assert (after.properties, after.options) == (grown.properties, grown.options)
    assert after.content is Content.BLANK
    assert alive.driver.find_volume("v") == after
    assert sorted(each.id for each in alive.driver.list_snapshots()) == sorted(
        (first.id, second.id)
    )
    assert alive.driver.get_snapshot(first.id).created == first.created
    again = alive.driver.revert_to_snapshot(volume.id, second.id)
    assert again.content is Content.FORMATTED
    assert alive.lvm.content(alive.lvm.object(volume.id)) == [""] * 6


def test_the_same_again_is_success(alive: Life) -> None:
    volume = alive.volume()
    snapshot = alive.snapshot(volume)
    once = alive.driver.revert_to_snapshot(volume.id, snapshot.id)
    assert alive.driver.revert_to_snapshot(volume.id, snapshot.id) == once


def test_a_pool_above_its_watermark_is_exhausted(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as alive:
        volume = alive.volume()
        snapshot = alive.snapshot(volume)
        lvm.fill = "1 16/2048 1000/1024"
        with pytest.raises(Exhausted, match="watermark"):
            alive.driver.revert_to_snapshot(volume.id, snapshot.id)


def test_a_name_that_an_administrator_took_stays_his(lvm: FakeLvm) -> None:
    """The volume keeps its temporary name then, and a second revert must not take it for a leftover."""
    with life(lvm, **OPTIONS) as alive:
        volume = alive.volume()
        lvm.write(lvm.object(volume.id), "data")
        snapshot = alive.snapshot(volume)
        lvm.run(commands.rename("vg", names.volume("v"), "database"))
        lvm.run(commands.create_thick("vg", names.volume("v"), extents=1, shape=["--type", "linear"],
                                      tags=[]))  # fmt: skip
        alive.driver.revert_to_snapshot(volume.id, snapshot.id)
        with pytest.raises(Precondition, match="rename it"):
            alive.driver.revert_to_snapshot(volume.id, snapshot.id)
        assert lvm.content(lvm.object(volume.id)) == ["data"] * 4
        lvm.run(commands.rename("vg", lvm.object(volume.id).name, "database"))
        alive.driver.revert_to_snapshot(volume.id, snapshot.id)
        assert lvm.content(lvm.object(volume.id)) == ["data"] * 4
    with life(lvm, **OPTIONS) as later:
        assert [each.id for each in later.driver.list_volumes()] == [volume.id]


@pytest.fixture
def unfinished(lvm: FakeLvm) -> Iterator[tuple[Life, str, str]]:
    """A thick revert that was not begun after it was noted, because somebody opened the volume."""
    with life(lvm) as alive:
        volume = alive.volume()
        lvm.write(lvm.object(volume.id), "old")
        snapshot = alive.snapshot(volume)
        lvm.write(lvm.object(volume.id), "new")
        alive.driver.initialize_connection(volume.id)
        open_for = lvm.object(volume.id)

        def opened(what: str) -> None:
            if f"--addtag {names.REVERTING}" in what:
                lvm.device(open_for).opened = 1

        alive.process.meanwhile = opened
        with pytest.raises(InUse):
            alive.driver.revert_to_snapshot(volume.id, snapshot.id)
        alive.process.meanwhile = lambda _what: None
        lvm.device(open_for).opened = 0
        yield alive, volume.id, snapshot.id


def test_an_unfinished_revert_is_finished_by_the_same_call(
    unfinished: tuple[Any, Any, Any],
) -> None:
    alive, volume, snapshot = unfinished
    alive.driver.revert_to_snapshot(volume, snapshot)
    assert alive.lvm.content(alive.lvm.object(volume)) == ["old"] * 4
    assert alive.lvm.content(alive.lvm.object(snapshot)) == ["old"] * 4


def test_while_it_is_unfinished_nobody_uses_the_volume(unfinished: tuple[Any, Any, Any]) -> None:
    alive, volume, _snapshot = unfinished
    with pytest.raises(Busy):
        alive.driver.extend_volume(volume, 8 * MIB)
    with pytest.raises(Busy):
        alive.driver.create_snapshot(SnapshotSpec("late", volume))


def test_whoever_wants_to_connect_finishes_it(unfinished: tuple[Any, Any, Any]) -> None:
    alive, volume, _snapshot = unfinished
    alive.driver.initialize_connection(volume)
    assert alive.lvm.content(alive.lvm.object(volume)) == ["old"] * 4
    assert alive.driver.extend_volume(volume, 1).id == volume


def test_while_it_is_unfinished_nothing_that_it_needs_is_deleted(
    unfinished: tuple[Any, Any, Any],
) -> None:
    alive, volume, snapshot = unfinished
    with pytest.raises(Busy):
        alive.driver.delete_snapshot(snapshot)
    with pytest.raises((Busy, InUse)):
        alive.driver.delete_volume(volume)
    alive.driver.revert_to_snapshot(volume, snapshot)
    assert alive.lvm.content(alive.lvm.object(volume)) == ["old"] * 4


def test_another_snapshot_has_to_wait_for_the_first(unfinished: tuple[Any, Any, Any]) -> None:
    alive, volume, snapshot = unfinished
    with pytest.raises(InUse, match="ask for that again first"):
        alive.driver.revert_to_snapshot(volume, snapshot[:-1] + "x")


def test_a_snapshot_that_is_consumed_and_not_yet_cut_again_is_not_absent(lvm: FakeLvm) -> None:
    """Asked to delete it then, success would be a lie: the revert brings it back."""
    with life(lvm) as alive:
        volume = alive.volume()
        snapshot = alive.snapshot(volume)

        def lose(what: str) -> None:
            if what.startswith("lvm lvcreate") and "--snapshot" in what:
                for disk in lvm.state.disks.values():
                    disk.missing = True

        alive.process.meanwhile = lose
        with pytest.raises(CommandFailed, match="PVs are missing"):
            alive.driver.revert_to_snapshot(volume.id, snapshot.id)
        for disk in lvm.state.disks.values():
            disk.missing = False
        alive.process.meanwhile = lambda _what: None
        with pytest.raises(Busy):
            alive.driver.delete_snapshot(snapshot.id)
        with pytest.raises(Busy):
            alive.driver.delete_volume(volume.id)
        alive.driver.revert_to_snapshot(volume.id, snapshot.id)
        alive.driver.delete_snapshot(snapshot.id)
        alive.drained()
        assert alive.driver.list_snapshots() == []


@pytest.mark.parametrize("last", ["--merge", "--activate y"], ids=["asked for", "begun"])
@pytest.mark.parametrize("machine", ["stays up", "goes down"])
def test_a_merge_that_was_cut_off_is_gone_on_with_at_the_start(
    lvm: FakeLvm, last: str, machine: str
) -> None:
    with life(lvm) as first:
        volume = first.volume()
        lvm.write(lvm.object(volume.id), "old")
        snapshot = first.snapshot(volume)
        lvm.write(lvm.object(volume.id), "new")
    dying = Process(lvm)
    dying.meanwhile = lambda what: dying.die_after_this() if last in what else None
    with pytest.raises(Died), lived(dying) as second:
        second.driver.revert_to_snapshot(volume.id, snapshot.id)
    assert lvm.object(snapshot.id).merging
    if machine == "goes down":
        lvm.state.devices.clear()
    with life(lvm) as third:
        assert any("lvpoll" in what for what in third.process.changes)
        assert third.driver.get_snapshot(snapshot.id).created == snapshot.created
    assert lvm.content(lvm.object(volume.id)) == ["old"] * 4
    assert lvm.tagged(names.REVERTING) == []
