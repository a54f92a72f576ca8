"""Bringing in snapshots that an administrator made, and letting go of them, on the group in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from drivers.errors import AlreadyManaged, Busy, InUse, NotFound, Precondition, Unmanageable
from drivers.manageable import Hindrance, Query, Reference, SnapshotAdoptionSpec
from drivers.model import MIB, Adoption, Content, SnapshotSpec, Volume
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import Life, life, wanted
from tests.unit.lvm.test_manage import OPTIONS, SPEC, by_hand, cut_by_hand

CUT = SnapshotAdoptionSpec("import", "owner", {"namespace": "shop"})
KINDS = ("linear", "thin")


@pytest.fixture
def alive(lvm: FakeLvm) -> Iterator[Life]:
    with life(lvm, **OPTIONS) as one:
        yield one


def scene(alive: Life, kind: str) -> Volume:
    """A volume that was brought in, and a snapshot ``cut`` of it by hand before it was written again."""
    lv = by_hand(alive.lvm, kind=kind)
    cut_by_hand(alive.lvm, "data", "cut")
    alive.lvm.write(lv, "newer", 1)
    return alive.driver.manage_existing(SPEC, Reference("data"))


@pytest.mark.parametrize("kind", KINDS)
def test_it_becomes_a_snapshot_that_restores_like_any_other(alive: Life, kind: str) -> None:
    volume = scene(alive, kind)
    size = alive.driver.manage_existing_snapshot_get_size(Reference("cut"))
    del alive.process.changes[:]
    snapshot = alive.driver.manage_existing_snapshot(CUT, Reference("cut"))
    assert len(alive.process.changes) == 1
    assert (snapshot.volume_id, snapshot.size, size) == (volume.id, 4 * MIB, 4 * MIB)
    assert snapshot.created == datetime(2026, 11, 30, 0, 6, 44, tzinfo=UTC)
    assert (snapshot.content, snapshot.labels) == (Content.ADOPTED, CUT.labels)
    assert snapshot.adopted == Adoption("cut", "owner")
    assert alive.driver.manage_existing_snapshot(CUT, Reference("cut")) == snapshot
    assert alive.driver.list_snapshots() == [snapshot] == [alive.driver.find_snapshot("import")]
    restored = alive.driver.create_volume_from_snapshot(wanted("restored"), snapshot.id)
    assert restored.content is Content.INHERITED
    assert alive.lvm.content(alive.lvm.object(restored.id)) == ["ext4"] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_it_needs_its_volume_first(alive: Life, kind: str) -> None:
    by_hand(alive.lvm, kind=kind)
    cut_by_hand(alive.lvm, "data", "cut")
    with pytest.raises(Unmanageable, match="bring that in first") as caught:
        alive.driver.manage_existing_snapshot(CUT, Reference("cut"))
    assert caught.value.obstacle.hindrance is Hindrance.ORIGIN
    (entry,) = alive.driver.get_manageable_snapshots(Query()).entries
    assert entry.obstacle == caught.value.obstacle
    assert entry.origin is not None
    assert entry.origin.name == "data"


def test_a_volume_is_no_snapshot(alive: Life) -> None:
    by_hand(alive.lvm)
    with pytest.raises(Unmanageable, match="bring it in as a volume"):
        alive.driver.manage_existing_snapshot(CUT, Reference("data"))


def test_one_that_overflowed(alive: Life) -> None:
    scene(alive, "linear")
    alive.lvm.state.activate(alive.lvm.lv("data"))
    alive.lvm.lv("cut").overflowed = True
    with pytest.raises(Unmanageable, match="overflowed") as caught:
        alive.driver.manage_existing_snapshot(CUT, Reference("cut"))
    assert caught.value.obstacle.hindrance is Hindrance.OVERFLOWED


def test_another_owner_is_told_whose_it_is(alive: Life) -> None:
    scene(alive, "thin")
    alive.driver.manage_existing_snapshot(CUT, Reference("cut"))
    with pytest.raises(AlreadyManaged, match="brought in for owner"):
        alive.driver.manage_existing_snapshot(replace(CUT, name="another"), Reference("cut"))


def test_lists_tell_snapshots_from_volumes(alive: Life) -> None:
    volume = scene(alive, "thin")
    snapshot = alive.snapshot(volume)
    alive.driver.create_cloned_volume(wanted("clone"), volume.id)
    safe, ours = sorted(
        alive.driver.get_manageable_snapshots(Query(probe=True)).entries, key=lambda each: each.id
    )
    assert (safe.safe, safe.reference.name) == (True, "cut")
    assert safe.found is not None
    assert (ours.id, ours.manager, ours.safe) == (snapshot.id, "hearth", False)
    volumes = alive.driver.get_manageable_volumes(Query()).entries
    kept = {each.reference.name for each in volumes if each.manager == "hearth"}
    assert len(kept) == 2
    assert "data" in kept


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_deleted_only_with_leave(alive: Life, kind: str) -> None:
    scene(alive, kind)
    snapshot = alive.driver.manage_existing_snapshot(CUT, Reference("cut"))
    with pytest.raises(Precondition, match="adopted and is never deleted"):
        alive.driver.delete_snapshot(snapshot.id)
    assert alive.driver.unmanage_snapshot(snapshot.id, "plain") is not None
    assert alive.lvm.lv("plain").tags == set()
    assert alive.driver.unmanage_snapshot(snapshot.id, "plain") is None
    with pytest.raises(NotFound):
        alive.driver.get_snapshot(snapshot.id)
    spec = replace(CUT, allow_delete=True)
    snapshot = alive.driver.manage_existing_snapshot(spec, Reference("plain"))
    alive.driver.delete_snapshot(snapshot.id)
    alive.drained()
    assert alive.lvm.names() == ["data"]


def test_one_made_here_of_an_adopted_volume_is_deleted_like_any_other(alive: Life) -> None:
    volume = scene(alive, "thin")
    snapshot = alive.snapshot(volume)
    assert snapshot.content is Content.ADOPTED
    alive.driver.delete_snapshot(snapshot.id)
    assert alive.driver.list_snapshots() == []


def test_what_is_read_or_copied_is_not_let_go(alive: Life) -> None:
    volume = scene(alive, "linear")
    snapshot = alive.driver.manage_existing_snapshot(CUT, Reference("cut"))
    alive.driver.initialize_connection(volume.id)
    alive.lvm.device(alive.lvm.lv("cut")).opened = 1
    with pytest.raises(InUse, match="is being read"):
        alive.driver.unmanage_snapshot(snapshot.id, None)
    alive.lvm.device(alive.lvm.lv("cut")).opened = 0
    copy = by_hand(alive.lvm, "copy")
    copy.tags |= {"hearth.creating", f"hearth.1=kind=volume&source=snapshot:{snapshot.id}"}
    alive.lvm.state.seqno += 1
    with pytest.raises(Busy, match="is being copied to copy"):
        alive.driver.unmanage_snapshot(snapshot.id, None)


def test_leftovers_of_broken_calls_go_with_the_release_of_their_volume(alive: Life) -> None:
    volume = alive.driver.manage_existing(SPEC, Reference(by_hand(alive.lvm, kind="thin").name))
    snapshot = alive.driver.create_snapshot(SnapshotSpec("half", volume.id))
    alive.lvm.object(snapshot.id).tags.add("hearth.creating")
    alive.lvm.state.seqno += 1
    alive.driver.unmanage(volume.id, None)
    assert alive.lvm.names() == ["data"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_volume_of_ours_that_went_back_to_one_can_be_deleted(alive: Life, kind: str) -> None:
    made = alive.driver.create_volume(replace(wanted("made"), options={"layout": kind}))
    cut_by_hand(alive.lvm, alive.lvm.object(made.id).name, "cut")
    spec = replace(CUT, allow_delete=True)
    snapshot = alive.driver.manage_existing_snapshot(spec, Reference("cut"))
    volume = alive.driver.revert_to_snapshot(made.id, snapshot.id)
    assert (volume.content, volume.adopted) == (Content.FORMATTED, None)
    alive.driver.delete_snapshot(snapshot.id)
    alive.driver.delete_volume(volume.id)
    assert alive.driver.list_volumes() == []


def test_a_copy_that_went_back_to_one_is_still_a_copy(alive: Life) -> None:
    source = alive.driver.create_volume(wanted("source"))
    alive.driver.set_content(source.id, Content.FORMATTED)
    copy = alive.driver.create_cloned_volume(wanted("copy"), source.id)
    assert copy.content is Content.INHERITED
    cut_by_hand(alive.lvm, alive.lvm.object(copy.id).name, "cut")
    snapshot = alive.driver.manage_existing_snapshot(CUT, Reference("cut"))
    assert alive.driver.revert_to_snapshot(copy.id, snapshot.id).content is Content.INHERITED


@pytest.mark.parametrize("kind", KINDS)
def test_one_of_somebody_elses_stays_that(alive: Life, kind: str) -> None:
    volume = scene(alive, kind)
    snapshot = alive.driver.manage_existing_snapshot(CUT, Reference("cut"))
    reverted = alive.driver.revert_to_snapshot(volume.id, snapshot.id)
    assert (reverted.content, reverted.adopted) == (Content.ADOPTED, volume.adopted)
