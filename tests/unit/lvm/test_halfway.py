"""What a deadline, a held lock or a lost disk leaves half done in a process that lives on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from drivers.errors import Busy, CommandFailed, InUse, NotFound, StorageError, Unavailable
from drivers.exec import deadline
from drivers.lvm import names
from drivers.model import MIB, Snapshot, Volume
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import Life, life, wanted

OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 8, "layout": "linear"}


@contextmanager
def within(seconds: float) -> Iterator[None]:
    token = deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        deadline.reset(token)


@pytest.fixture
def alive(lvm: FakeLvm) -> Iterator[Life]:
    with life(lvm, **OPTIONS) as one:
        yield one


def snapped(alive: Life, layout: str = "linear") -> tuple[Volume, Snapshot]:
    volume = alive.volume(layout=layout)
    alive.lvm.write(alive.lvm.object(volume.id), "old")
    snapshot = alive.snapshot(volume)
    alive.lvm.write(alive.lvm.object(volume.id), "new")
    alive.driver.terminate_connection(volume.id)
    return volume, snapshot


def lose_disks_at(alive: Life, *words: str) -> Callable[[], None]:
    """The disks go before the first command with these words; gives what brings them back."""

    def lose(what: str) -> None:
        if all(word in what for word in words):
            set_missing(True)

    def set_missing(missing: bool) -> None:
        for disk in alive.lvm.state.disks.values():
            disk.missing = missing

    def bring_back() -> None:
        alive.process.meanwhile = lambda _what: None
        set_missing(False)

    alive.process.meanwhile = lose
    return bring_back


@pytest.mark.parametrize("layout", ["thin", "linear"])
def test_what_a_killed_lvm_left_suspended_goes_on_before_the_next_change(
    alive: Life, layout: str
) -> None:
    volume = alive.volume(layout=layout)
    alive.driver.initialize_connection(volume.id)
    alive.process.killed = "lvextend"
    with pytest.raises(CommandFailed, match="ended by signal 9"):
        alive.driver.extend_volume(volume.id, 8 * MIB)
    assert alive.lvm.device(alive.lvm.object(volume.id)).suspended
    suspended_later = []

    def look(what: str) -> None:
        if what.startswith("lvm lvcreate"):
            device = alive.lvm.device(alive.lvm.object(volume.id))
            suspended_later.append(device.suspended)

    alive.process.meanwhile = look
    alive.volume("other")
    assert suspended_later == [False]
    assert alive.driver.extend_volume(volume.id, 8 * MIB).size == 8 * MIB


def test_what_a_killed_lvm_left_suspended_goes_on_before_somebody_connects(alive: Life) -> None:
    volume = alive.volume()
    alive.driver.initialize_connection(volume.id)
    alive.process.killed = "lvextend"
    with pytest.raises(CommandFailed):
        alive.driver.extend_volume(volume.id, 8 * MIB)
    assert alive.driver.initialize_connection(volume.id).size == 4 * MIB


@pytest.fixture
def other(alive: Life) -> Volume:
    """A thick volume that has nothing to do with it."""
    return alive.volume("other", MIB)


@pytest.fixture
def unwiped(alive: Life, other: Volume) -> tuple[Volume, Snapshot]:
    """A thick revert that got as far as the merge: its snapshot's area is free, and not wiped."""
    assert other.size
    volume, snapshot = snapped(alive)
    bring_back = lose_disks_at(alive, "lvcreate", "tmp-area")
    with pytest.raises(CommandFailed, match="PVs are missing"):
        alive.driver.revert_to_snapshot(volume.id, snapshot.id)
    bring_back()
    assert alive.lvm.old_blocks() == {"old"}
    return volume, snapshot


def test_nobody_gets_extents_of_an_area_that_is_not_wiped(
    alive: Life, unwiped: tuple[Volume, Snapshot], other: Volume
) -> None:
    thin = alive.volume("thin", layout="thin")
    with pytest.raises(Busy, match="must be finished before"):
        alive.snapshot(other, "of another")
    calls: list[Callable[[], object]] = [
        lambda: alive.volume("thick"),
        lambda: alive.driver.create_cloned_volume(wanted("clone"), thin.id),
    ]
    for call in calls:
        with pytest.raises(Busy, match="must be finished before"):
            call()
    alive.driver.revert_to_snapshot(unwiped[0].id, unwiped[1].id)
    assert alive.lvm.old_blocks() == set()
    alive.volume("thick")


def test_whoever_connects_finishes_a_revert(alive: Life, unwiped: tuple[Volume, Snapshot]) -> None:
    volume, snapshot = unwiped
    alive.driver.initialize_connection(volume.id)
    assert alive.lvm.tagged(names.REVERTING) == []
    assert alive.lvm.old_blocks() == set()
    for each in (volume.id, snapshot.id):
        assert alive.lvm.content(alive.lvm.object(each)) == ["old"] * 4


def test_whoever_connects_finishes_a_growth(alive: Life) -> None:
    volume, snapshot = snapped(alive)
    bring_back = lose_disks_at(alive, "lvextend", names.snapshot("s"))
    with pytest.raises(CommandFailed):
        alive.driver.extend_volume(volume.id, 8 * MIB)
    bring_back()
    assert alive.lvm.tagged(names.GROWING)
    alive.driver.initialize_connection(volume.id)
    assert alive.lvm.tagged(names.GROWING) == []
    alive.lvm.write(alive.lvm.object(volume.id), "later")
    assert not alive.lvm.object(snapshot.id).overflowed


def test_deleting_takes_what_a_revert_replaced_along(alive: Life) -> None:
    """Otherwise the old volume would be the volume again once the new one is gone."""
    volume, snapshot = snapped(alive, "thin")
    old = alive.lvm.object(volume.id)
    alive.driver.initialize_connection(volume.id)

    def hold(what: str) -> None:
        if f"lvremove --yes -- vg/{old.name}" in what or "--activate n" in what:
            alive.lvm.device(old).opened = 1

    alive.process.meanwhile = hold
    with pytest.raises(InUse):
        alive.driver.revert_to_snapshot(volume.id, snapshot.id)
    alive.process.meanwhile = lambda _what: None
    alive.lvm.device(old).opened = 0
    alive.driver.delete_volume(volume.id)
    with pytest.raises(NotFound):
        alive.driver.get_volume(volume.id)
    assert alive.lvm.names() == [names.snapshot("s")]


@pytest.mark.parametrize("call", ["extend", "revert"])
def test_a_change_that_has_begun_is_not_cut_short_by_the_deadline(alive: Life, call: str) -> None:
    volume, snapshot = snapped(alive)
    until = time.monotonic() + 0.4

    def dawdle(what: str) -> None:
        if what.startswith(("lvm lvextend", "lvm lvconvert")) and not alive.lvm.locked:
            alive.process.meanwhile = lambda _what: None
            time.sleep(max(0.0, until - time.monotonic()))
            alive.lvm.locked = 2

    alive.process.meanwhile = dawdle
    with within(0.4):
        if call == "extend":
            alive.driver.extend_volume(volume.id, 8 * MIB)
        else:
            alive.driver.revert_to_snapshot(volume.id, snapshot.id)
    assert alive.lvm.tagged(names.GROWING) == alive.lvm.tagged(names.REVERTING) == []


def test_a_set_up_that_is_repeated_leaves_calls_in_work_alone(alive: Life) -> None:
    volume = alive.volume()

    def again(what: str) -> None:
        if what.startswith("zero tmp-tail"):
            alive.process.meanwhile = lambda _what: None
            alive.driver.do_setup()

    alive.process.meanwhile = again
    assert alive.driver.extend_volume(volume.id, 8 * MIB).size == 8 * MIB


def test_with_a_disk_missing_a_pod_still_comes_and_goes(alive: Life) -> None:
    volume = alive.volume()
    alive.lvm.state.disks["/dev/sdd"].missing = True
    alive.lvm.state.seqno += 1
    alive.driver.terminate_connection(volume.id)
    assert alive.driver.initialize_connection(volume.id).size == volume.size
    alive.driver.terminate_connection(volume.id)
    assert alive.lvm.state.device(alive.lvm.object(volume.id)) is None
    with pytest.raises(Unavailable, match="lacks 1 of its disks"):
        alive.driver.extend_volume(volume.id, 8 * MIB)


@pytest.mark.parametrize("fill", ["Fail", "1 - -", "1 0/0 0/0", ""])
def test_a_pool_that_failed_stops_no_other(lvm: FakeLvm, fill: str) -> None:
    with life(lvm, **OPTIONS) as alive:
        lvm.fill = fill
        assert alive.driver.get_volume_stats({"layout": "thin"}, refresh=True).free_capacity == 0
        assert alive.driver.get_volume_stats({}, refresh=True).data_ratio is None
        with pytest.raises(StorageError) as caught:
            alive.volume("thin", layout="thin")
        assert type(caught.value) is Unavailable
        assert alive.volume("thick").size == 4 * MIB


def test_deleting_takes_the_tails_of_a_growth_that_failed_along(alive: Life) -> None:
    volume = alive.volume()

    def fail(what: str) -> None:
        if what.startswith("zero tmp-tail"):
            raise Unavailable("the disk does not write")

    alive.process.meanwhile = fail
    with pytest.raises(Unavailable, match="does not write"):
        alive.driver.extend_volume(volume.id, 8 * MIB)
    alive.process.meanwhile = lambda _what: None
    alive.driver.delete_volume(volume.id)
    alive.drained()
    assert alive.lvm.names() == []
