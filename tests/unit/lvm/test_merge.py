"""While a thick volume is reverted, everybody else goes on; nobody touches it, and no block of it is seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from drivers.errors import Busy, StorageError, Unavailable
from drivers.lvm import names
from drivers.model import MIB, Snapshot, SnapshotSpec, Volume
from tests.fakes.lvm import Died, FakeLvm, Process
from tests.fakes.lvm.driver import Life, life, lived, wanted

LONG = 1_000_000


@dataclass(frozen=True, slots=True)
class Scene:
    """A volume that was written since its first snapshot, and a second snapshot."""

    alive: Life
    volume: Volume
    snapshot: Snapshot
    sibling: Snapshot

    def is_reverted(self) -> bool:
        lvm = self.alive.lvm
        shown = [lvm.content(lvm.object(each.id)) for each in (self.volume, self.snapshot)]
        return shown == [["old"] * 4] * 2 and not lvm.tagged(names.REVERTING)


def staged(alive: Life) -> Scene:
    lvm, volume = alive.lvm, alive.volume()
    lvm.write(lvm.object(volume.id), "old")
    snapshot = alive.snapshot(volume)
    lvm.write(lvm.object(volume.id), "new")
    return Scene(alive, volume, snapshot, alive.snapshot(volume, "sibling"))


@pytest.fixture
def scene(lvm: FakeLvm) -> Iterator[Scene]:
    with life(lvm, layout="linear") as alive:
        yield staged(alive)


@contextmanager
def reverting(scene: Scene) -> Iterator[Future[Volume]]:
    """The block happens while the kernel merges; it is done a moment after the block."""
    lvm = scene.alive.lvm
    lvm.merging_looks = LONG
    with ThreadPoolExecutor(1) as others:
        revert = scene.alive.driver.revert_to_snapshot
        done = others.submit(revert, scene.volume.id, scene.snapshot.id)
        lvm.wait_for(lambda: done.done() or lvm.merging_looks < LONG)
        try:
            yield done
        finally:
            lvm.merging_looks = 0


def test_others_do_not_wait_for_a_merge(scene: Scene) -> None:
    alive = scene.alive
    with reverting(scene) as done:
        made = alive.volume("other", 2 * MIB)
        alive.driver.initialize_connection(made.id)
        alive.driver.terminate_connection(made.id)
        grown = alive.driver.extend_volume(made.id, 4 * MIB)
        alive.snapshot(made, "of another")
        assert not done.done()
    assert done.result().id == scene.volume.id
    assert grown.size == 4 * MIB
    assert scene.is_reverted()


def test_nobody_touches_what_is_reverted(scene: Scene) -> None:
    driver, volume, snapshot = scene.alive.driver, scene.volume, scene.snapshot
    calls: list[Callable[[], object]] = [
        lambda: driver.initialize_connection(volume.id),
        lambda: driver.extend_volume(volume.id, 8 * MIB),
        lambda: driver.delete_volume(volume.id),
        lambda: driver.create_snapshot(SnapshotSpec("late", volume.id)),
        lambda: driver.create_cloned_volume(wanted("clone"), volume.id),
        lambda: driver.create_volume_from_snapshot(wanted("copy"), snapshot.id),
        lambda: driver.create_volume_from_snapshot(wanted("copy"), scene.sibling.id),
        lambda: driver.delete_snapshot(snapshot.id),
        lambda: driver.delete_snapshot(scene.sibling.id),
        lambda: driver.revert_to_snapshot(volume.id, snapshot.id),
        lambda: driver.revert_to_snapshot(volume.id, scene.sibling.id),
    ]
    with reverting(scene) as done:
        for call in calls:
            with pytest.raises(Busy):
                call()
        driver.terminate_connection(volume.id)
        assert driver.list_volumes() == [driver.get_volume(volume.id)]
        assert not done.done()
    assert done.result().id == volume.id
    assert scene.is_reverted()


def test_a_set_up_meanwhile_leaves_it_alone(scene: Scene) -> None:
    with reverting(scene) as done:
        scene.alive.driver.do_setup()
        assert not done.done()
    assert done.result().id == scene.volume.id
    assert scene.is_reverted()


def test_others_get_room_while_the_area_is_wiped_and_see_nothing_of_it(scene: Scene) -> None:
    alive, lvm = scene.alive, scene.alive.lvm
    made: list[Volume] = []
    snapshot = scene.snapshot.id

    def meanwhile(what: str) -> None:
        if what.startswith("zero tmp-area") and not made:
            for look in (alive.driver.list_snapshots, lambda: alive.driver.get_snapshot(snapshot)):
                with pytest.raises(Busy, match=snapshot):
                    look()
            with ThreadPoolExecutor(1) as others:
                made.append(others.submit(alive.volume, "other", 2 * MIB).result(5))

    alive.process.meanwhile = meanwhile
    alive.driver.revert_to_snapshot(scene.volume.id, scene.snapshot.id)
    assert lvm.content(lvm.object(made[0].id)) == ["", ""]
    assert len(alive.driver.list_snapshots()) == 2
    assert lvm.old_blocks() == set()
    assert scene.is_reverted()


@pytest.mark.parametrize("at", ["merge", "wiping"])
def test_the_end_of_the_process_does_not_wait_for_it(lvm: FakeLvm, at: str) -> None:
    with life(lvm) as first:
        scene = staged(first)

        def close(what: str) -> None:
            wiping = what.startswith("zero tmp-area") and what.endswith(" 1")
            if wiping or (at == "merge" and "--activate y" in what):
                first.process.meanwhile = lambda _what: None
                first.driver.close()

        first.process.meanwhile = close
        lvm.merging_looks = LONG if at == "merge" else 0
        with pytest.raises(Busy, match="the process that works on"):
            first.driver.revert_to_snapshot(scene.volume.id, scene.snapshot.id)
    assert lvm.tagged(names.REVERTING)
    lvm.merging_looks = 0
    with life(lvm):
        assert scene.is_reverted()
    assert lvm.old_blocks() == set()


def test_an_area_is_found_again_though_the_disks_have_other_names(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        scene = staged(first)
    dying = Process(lvm)
    dying.meanwhile = lambda what: dying.die_after_this() if "lvpoll" in what else None
    with pytest.raises(Died), lived(dying) as second:
        second.driver.revert_to_snapshot(scene.volume.id, scene.snapshot.id)
    for disk in list(lvm.state.disks):
        lvm.plug(disk, f"{disk}1")
    with life(lvm):
        assert scene.is_reverted()
    assert lvm.old_blocks() == set()


def test_a_merge_that_the_kernel_gave_up_is_told_in_its_words(scene: Scene) -> None:
    scene.alive.lvm.merge_fails = "Merge failed"
    with pytest.raises(Unavailable, match="'Merge failed': look at the disks"):
        scene.alive.driver.revert_to_snapshot(scene.volume.id, scene.snapshot.id)
    with pytest.raises(StorageError):
        scene.alive.driver.initialize_connection(scene.volume.id)
    scene.alive.lvm.merge_fails = ""
    scene.alive.driver.initialize_connection(scene.volume.id)
    assert scene.is_reverted()
