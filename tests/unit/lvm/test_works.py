"""What is unfinished is told apart: what somebody is working on, and what is left over."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import pytest

from drivers.errors import AlreadyManaged
from drivers.lvm import names
from drivers.manageable import AdoptionSpec, Hindrance, Query, Reference
from drivers.model import MIB
from tests.fakes.lvm import FakeLvm, Moment
from tests.fakes.lvm.driver import Life, life, survives, wanted
from tests.fakes.lvm.state import Logical

UNFINISHED = (Hindrance.IN_WORK, Hindrance.UNFINISHED)


def unfinished(alive: Life) -> set[tuple[str, Hindrance]]:
    """How each is called, up to its id, and which of the two it is."""
    entries = (
        *alive.driver.get_manageable_volumes(Query()).entries,
        *alive.driver.get_manageable_snapshots(Query()).entries,
    )
    return {
        (each.reference.name.rpartition("-")[0], each.obstacle.hindrance)
        for each in entries
        if each.obstacle and each.obstacle.hindrance in UNFINISHED
    }


@contextmanager
def stopped_at(alive: Life, begins: str, act: Callable[[], object]) -> Iterator[None]:
    """``act`` goes on in another thread, up to the event whose words begin so."""
    there, go = threading.Event(), threading.Event()

    def stop(what: str) -> None:
        if what.startswith(begins):
            there.set()
            assert go.wait(20)

    alive.process.meanwhile = stop
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(act)
        assert there.wait(20)
        try:
            yield
        finally:
            go.set()
            done.result(20)


def test_a_copy_and_its_snapshot_are_in_work_until_it_is_made(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        source = alive.volume("source", layout="linear")
        with stopped_at(
            alive, "copy ", lambda: alive.driver.create_cloned_volume(wanted("made"), source.id)
        ):
            assert unfinished(alive) == {
                ("vol", Hindrance.IN_WORK),
                ("tmp-copy", Hindrance.IN_WORK),
            }
            name = names.volume("made")
            with pytest.raises(AlreadyManaged, match="making or removing it"):
                alive.driver.manage_existing(AdoptionSpec("n", "o"), Reference(name))
        alive.drained()
        assert unfinished(alive) == set()


def test_what_a_volume_grows_by_is_in_work(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume("v", layout="linear")
        grow = partial(alive.driver.extend_volume, volume.id, 8 * MIB)
        with stopped_at(alive, "zero tmp-tail", grow):
            assert unfinished(alive) == {("tmp-tail0", Hindrance.IN_WORK)}
        assert unfinished(alive) == set()


def test_what_is_wiped_is_in_work_and_what_cannot_be_is_not(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume("v", layout="linear")
        with stopped_at(alive, "zero del-", lambda: alive.driver.delete_volume(volume.id)):
            assert unfinished(alive) == {("del", Hindrance.IN_WORK)}
        alive.drained()
    stuck = _stuck(lvm)
    with life(lvm) as alive:
        lvm.wait_for(lambda: alive.driver.get_volume_stats({}, refresh=False).unwipeable == 1)
        assert unfinished(alive) == {("del", Hindrance.UNFINISHED)}
        lvm.device(stuck).opened = 0


def _stuck(lvm: FakeLvm) -> Logical:
    """A deleted volume that somebody has open."""
    with life(lvm) as alive:
        lv = lvm.object(alive.volume("stuck", layout="linear").id)
        lv.name = names.deleted()
        lv.tags.add(names.DELETING)
        lvm.state.activate(lv)
        lvm.device(lv).opened = 1
    return lv


def test_what_is_seen_in_the_middle_of_a_creation_is_in_work(lvm: FakeLvm) -> None:
    with life(lvm) as alive, ThreadPoolExecutor(1) as thread:
        with stopped_at(alive, "zero the ends", lambda: alive.volume("v", layout="linear")):
            seen = thread.submit(unfinished, alive)
            with pytest.raises(TimeoutError):
                seen.result(0.3)
        assert seen.result(20) == {("vol", Hindrance.IN_WORK)}
        assert unfinished(alive) == set()


@pytest.mark.parametrize("layout", ["linear", "thin"])
def test_what_a_dead_process_left_is_in_nobodys_work(lvm: FakeLvm, layout: str) -> None:
    def make(one: Life) -> None:
        one.volume("v", layout=layout)

    options = {"thinPools": ["pool"]}
    number = next(
        each
        for each in range(50)
        if not survives(now := lvm.copy(), make, each, Moment.AFTER, **options)
        and now.tagged(names.CREATING)
    )
    survives(lvm, make, number, Moment.AFTER, **options)
    with life(lvm, **options) as alive:
        assert unfinished(alive) == {("vol", Hindrance.UNFINISHED)}
        make(alive)
        alive.drained()
        assert unfinished(alive) == set()
