"""What a driver does with snapshots that it holds and did not make."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drivers import errors
from drivers.compliance.adoptions import OWNER, cut_adoption, cuts, manages
from drivers.compliance.bench import Bench, pattern
from drivers.compliance.marks import checks
from drivers.compliance.test_snapshots import filled, restore
from drivers.compliance.test_volumes import strange_ids
from drivers.manageable import Hindrance, Query, Reference, Sort
from drivers.model import Adoption, Content, Snapshot, SnapshotId

PLAIN = "hearth-kit-cut"


def released(bench: Bench) -> tuple[Reference, Snapshot]:
    """A snapshot that nobody manages, of a volume that was written since; and what it was."""
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    bench.write(volume.id, pattern(2, volume.size))
    bench.disconnect(volume.id)
    where = bench.done(cuts(bench).unmanage_snapshot, snapshot.id, PLAIN)
    assert where is not None, "unmanage_snapshot() found no snapshot"
    assert where.name == PLAIN
    return where, snapshot


@checks("unmanage_snapshot", "get_manageable_snapshots", "manage_existing_snapshot_get_size")
def test_a_snapshot_that_was_let_go_is_nobodys(bench: Bench) -> None:
    where, snapshot = released(bench)
    assert bench.snapshots.list_snapshots() == []
    with pytest.raises(errors.NotFound):
        bench.snapshots.get_snapshot(snapshot.id)
    (entry,) = cuts(bench).get_manageable_snapshots(Query(sort=Sort.SIZE)).entries
    assert (entry.reference, entry.size, entry.id) == (where, snapshot.size, "")
    assert entry.safe, entry.obstacle
    assert entry.origin is not None
    assert cuts(bench).manage_existing_snapshot_get_size(where) == snapshot.size
    assert cuts(bench).unmanage_snapshot(snapshot.id, PLAIN) is None
    for strange in strange_ids(bench, snapshot.id):
        assert cuts(bench).unmanage_snapshot(SnapshotId(strange), None) is None


@checks("manage_existing_snapshot", "create_volume_from_snapshot")
def test_a_snapshot_that_was_brought_in_restores_like_any_other(bench: Bench) -> None:
    where, before = released(bench)
    spec = cut_adoption()
    snapshot = bench.done(cuts(bench).manage_existing_snapshot, spec, where)
    assert (snapshot.volume_id, snapshot.size) == (before.volume_id, before.size)
    assert (snapshot.content, snapshot.labels) == (Content.ADOPTED, spec.labels)
    assert snapshot.adopted == Adoption(PLAIN, OWNER)
    assert bench.done(cuts(bench).manage_existing_snapshot, spec, where) == snapshot
    bench.restart()
    assert bench.done(cuts(bench).manage_existing_snapshot, spec, where) == snapshot
    assert bench.snapshots.list_snapshots() == [snapshot]
    restored = restore(bench, snapshot)
    assert restored.content is Content.INHERITED
    assert bench.read(restored.id) == pattern(1, snapshot.size)


@checks("manage_existing_snapshot", "manage_existing_snapshot_get_size")
def test_a_snapshot_is_brought_in_once_and_by_what_it_is_called(bench: Bench) -> None:
    where, _before = released(bench)
    manage, spec = cuts(bench).manage_existing_snapshot, cut_adoption()
    for reference, error in (
        (Reference(), errors.Invalid),
        (Reference("hearth-kit-nothing"), errors.NotFound),
    ):
        with pytest.raises(error):
            bench.done(manage, spec, reference)
        with pytest.raises(error):
            cuts(bench).manage_existing_snapshot_get_size(reference)
    snapshot = bench.done(manage, spec, where)
    for changed in (replace(spec, name="another"), replace(spec, owner="another")):
        with pytest.raises(errors.AlreadyManaged):
            bench.done(manage, changed, where)
    assert bench.snapshots.list_snapshots() == [snapshot]


@checks("manage_existing_snapshot", "unmanage", "get_manageable_snapshots")
def test_a_snapshot_needs_its_volume_first(bench: Bench) -> None:
    where, before = released(bench)
    bench.done(manages(bench).unmanage, before.volume_id, "hearth-kit-plain")
    with pytest.raises(errors.Unmanageable) as caught:
        bench.done(cuts(bench).manage_existing_snapshot, cut_adoption(), where)
    assert caught.value.obstacle.hindrance is Hindrance.ORIGIN
    (entry,) = cuts(bench).get_manageable_snapshots(Query()).entries
    assert entry.obstacle == caught.value.obstacle


@checks("manage_existing_snapshot", "delete_snapshot", "unmanage_snapshot")
def test_a_snapshot_that_was_brought_in_is_deleted_only_with_leave(bench: Bench) -> None:
    where, _before = released(bench)
    snapshot = bench.done(cuts(bench).manage_existing_snapshot, cut_adoption(), where)
    with pytest.raises(errors.Precondition):
        bench.done(bench.snapshots.delete_snapshot, snapshot.id)
    assert bench.snapshots.list_snapshots() == [snapshot]
    assert bench.done(cuts(bench).unmanage_snapshot, snapshot.id, None) == where
    spec = cut_adoption(allow_delete=True)
    snapshot = bench.done(cuts(bench).manage_existing_snapshot, spec, where)
    bench.done(bench.snapshots.delete_snapshot, snapshot.id)
    assert bench.snapshots.list_snapshots() == []
    # What is still to be wiped may be told, but nobody can have it.
    left = cuts(bench).get_manageable_snapshots(Query()).entries
    assert not any(each.safe for each in left)


@checks("revert_to_snapshot", "manage_existing_snapshot", "delete_volume")
def test_a_volume_that_went_back_to_one_is_still_ours(bench: Bench) -> None:
    where, before = released(bench)
    spec = cut_adoption(allow_delete=True)
    snapshot = bench.done(cuts(bench).manage_existing_snapshot, spec, where)
    volume = bench.done(bench.reverts.revert_to_snapshot, before.volume_id, snapshot.id)
    assert bench.read(volume.id) == pattern(1, snapshot.size)
    assert (volume.content, volume.adopted) == (Content.FORMATTED, None)
    bench.disconnect(volume.id)
    bench.done(bench.snapshots.delete_snapshot, snapshot.id)
    bench.done(bench.driver.delete_volume, volume.id)
    assert bench.driver.list_volumes() == []
