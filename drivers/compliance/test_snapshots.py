"""What a driver does with snapshots and the volumes made from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drivers import errors
from drivers.compliance.bench import LARGE, PROPERTIES, SIZE, Bench, pattern
from drivers.compliance.marks import checks
from drivers.compliance.test_volumes import NAMES, strange_ids
from drivers.compliance.writers import NUMBER, moving, torn
from drivers.model import (
    Content,
    SizeRange,
    Snapshot,
    SnapshotId,
    SnapshotSpec,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeSpec,
)


def filled(bench: Bench, seed: int = 1) -> Volume:
    """A volume full of a pattern, disconnected, whose content is said to be a filesystem."""
    volume = bench.create("source")
    bench.write(volume.id, pattern(seed, volume.size))
    bench.disconnect(volume.id)
    return bench.driver.set_content(volume.id, Content.FORMATTED)


def restore(bench: Bench, snapshot: Snapshot, name: str = "restored", size: int = SIZE) -> Volume:
    """A volume made from a snapshot."""
    spec = bench.spec(name, size)
    return bench.done(bench.snapshots.create_volume_from_snapshot, spec, snapshot.id)


@checks("create_snapshot", "get_snapshot", "find_snapshot", "list_snapshots")
def test_creating_twice_gives_the_same_snapshot(bench: Bench) -> None:
    volume = filled(bench)
    first = bench.snapshot(volume)
    bench.write(volume.id, pattern(2, volume.size))
    assert bench.snapshot(volume) == first
    bench.restart()
    assert bench.snapshot(volume) == first
    assert bench.snapshots.get_snapshot(first.id) == first
    assert bench.snapshots.find_snapshot("snapshot") == first
    assert bench.snapshots.list_snapshots() == [first]


@checks("create_snapshot", "get_snapshot")
def test_what_was_told_of_a_snapshot_is_kept(bench: Bench) -> None:
    volume, now = filled(bench), datetime.now(UTC)
    snapshot = bench.snapshot(volume)
    assert snapshot.id.startswith(f"{bench.driver.backend_id}.")
    assert len(snapshot.id.encode()) <= 128
    assert (snapshot.volume_id, snapshot.size) == (volume.id, volume.size)
    assert (snapshot.content, snapshot.properties) == (Content.FORMATTED, PROPERTIES)
    assert snapshot.labels == {"namespace": "shop"}
    # LVM keeps whole seconds, by the same clock.
    assert now - timedelta(seconds=1) <= snapshot.created <= datetime.now(UTC)
    assert snapshot.usable
    bench.restart()
    assert bench.snapshots.get_snapshot(snapshot.id) == snapshot


@checks("create_snapshot", "find_snapshot", "list_snapshots", "get_snapshot")
def test_find_list_and_get_agree_on_snapshots(bench: Bench) -> None:
    volume = bench.create()
    names = NAMES[:4]
    made = [bench.snapshot(volume, name) for name in names]
    assert bench.snapshots.list_snapshots() == sorted(made, key=lambda each: each.id)
    for name, snapshot in zip(names, made, strict=True):
        assert bench.snapshots.find_snapshot(name) == snapshot
        assert bench.snapshots.get_snapshot(snapshot.id) == snapshot
    assert bench.snapshots.find_snapshot("nothing") is None
    assert bench.driver.list_volumes() == [volume]


@checks("create_snapshot", "create_volume_from_snapshot")
def test_a_snapshot_does_not_change_with_its_source(bench: Bench) -> None:
    volume = filled(bench, 1)
    snapshot = bench.snapshot(volume)
    bench.write(volume.id, pattern(2, volume.size))
    restored = restore(bench, snapshot)
    assert bench.read(restored.id) == pattern(1, volume.size)
    assert bench.read(volume.id) == pattern(2, volume.size)


@checks("create_volume_from_snapshot")
def test_a_restored_volume_is_one_of_its_own(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    first, second = restore(bench, snapshot), restore(bench, snapshot, "second")
    bench.write(first.id, pattern(2, first.size))
    assert bench.read(second.id) == pattern(1, volume.size)
    assert bench.read(volume.id) == pattern(1, volume.size)
    assert first.source == Source(SourceKind.SNAPSHOT, snapshot.id)
    assert first.content is Content.INHERITED
    assert first.properties == PROPERTIES


@checks("create_volume_from_snapshot")
def test_restoring_twice_gives_the_same_volume(bench: Bench) -> None:
    snapshot = bench.snapshot(filled(bench))
    first = restore(bench, snapshot)
    assert restore(bench, snapshot) == first
    bench.restart()
    assert restore(bench, snapshot) == first
    assert len(bench.driver.list_volumes()) == 2


@checks("create_volume_from_snapshot", "create_snapshot")
def test_what_its_source_was_asked_for_is_enough_for_a_restore(bench: Bench) -> None:
    volume = bench.create(size=SIZE - 1)
    bench.write(volume.id, pattern(1, volume.size))
    snapshot = bench.snapshot(volume)
    assert snapshot.requested in (0, SIZE - 1)
    restored = restore(bench, snapshot, size=snapshot.requested or snapshot.size)
    assert restored.size >= snapshot.size == volume.size
    assert bench.read(restored.id)[: volume.size] == pattern(1, volume.size)
    bench.driver.extend_volume(volume.id, 2 * SIZE)
    assert not bench.snapshot(volume, "grown").requested


@checks("create_volume_from_snapshot")
def test_a_restore_may_be_larger_and_ends_with_zeros(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    restored = restore(bench, snapshot, size=3 * volume.size + 1)
    assert 3 * volume.size < restored.size <= 3 * volume.size + bench.unit
    assert restored.requested == 3 * volume.size + 1
    tail = bytes(restored.size - volume.size)
    assert bench.read(restored.id) == pattern(1, volume.size) + tail


@checks("create_volume_from_snapshot")
def test_a_restore_may_not_be_smaller(bench: Bench) -> None:
    volume = bench.create(size=2 * SIZE)
    snapshot = bench.snapshot(volume)
    spec = VolumeSpec("smaller", SizeRange(1, volume.size - 1))
    with pytest.raises(errors.OutOfRange):
        bench.snapshots.create_volume_from_snapshot(spec, snapshot.id)
    assert bench.driver.list_volumes() == [volume]


@checks("create_volume_from_snapshot", "create_snapshot")
def test_a_copy_of_what_was_blank_is_blank(bench: Bench) -> None:
    volume = bench.create()
    restored = restore(bench, bench.snapshot(volume))
    assert restored.content is Content.BLANK
    assert bench.read(restored.id) == bench.read(volume.id)


@checks("delete_snapshot", "get_snapshot", "find_snapshot", "list_snapshots")
def test_a_deleted_snapshot_is_gone_and_deleting_again_is_fine(bench: Bench) -> None:
    volume = bench.create()
    doomed, kept = bench.snapshot(volume, "doomed"), bench.snapshot(volume, "kept")
    bench.snapshots.delete_snapshot(doomed.id)
    bench.snapshots.delete_snapshot(doomed.id)
    assert bench.snapshots.find_snapshot("doomed") is None
    assert bench.snapshots.list_snapshots() == [kept]
    with pytest.raises(errors.NotFound):
        bench.snapshots.get_snapshot(doomed.id)
    bench.restart()
    bench.snapshots.delete_snapshot(doomed.id)
    assert bench.driver.list_volumes() == [volume]


@checks("delete_snapshot", "create_volume_from_snapshot")
def test_a_restored_volume_outlives_its_snapshot(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    restored = restore(bench, snapshot)
    bench.snapshots.delete_snapshot(snapshot.id)
    assert bench.read(restored.id) == pattern(1, volume.size)
    assert bench.read(volume.id) == pattern(1, volume.size)


@checks("delete_volume", "get_snapshot", "create_volume_from_snapshot")
def test_deleting_a_volume_keeps_its_snapshot_or_is_refused(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    try:
        bench.driver.delete_volume(volume.id)
    except errors.InUse:
        assert bench.driver.get_volume(volume.id) == volume
    assert bench.snapshots.get_snapshot(snapshot.id) == snapshot
    assert bench.read(restore(bench, snapshot).id) == pattern(1, snapshot.size)


@checks("create_snapshot")
def test_a_volume_in_use_is_cut_at_one_moment_or_left_alone(bench: Bench) -> None:
    volume = bench.create(size=LARGE)
    spec = SnapshotSpec("live", volume.id)
    bench.write(volume.id, pattern(1, volume.size))
    with bench.connected(volume.id) as connection, moving(connection):
        try:
            snapshot = bench.done(bench.snapshots.create_snapshot, spec)
        except errors.Precondition:
            assert not bench.snapshots.list_snapshots()
            return
    content = bench.read(restore(bench, snapshot, size=LARGE).id)
    assert not torn(content)
    assert content[NUMBER:-NUMBER] == pattern(1, volume.size)[NUMBER:-NUMBER]


@checks("get_snapshot", "delete_snapshot", "create_volume_from_snapshot", "create_snapshot")
def test_unknown_snapshots_and_sources_are_not_found(bench: Bench) -> None:
    volume = bench.create()
    snapshot = bench.snapshot(volume)
    for strange in strange_ids(bench, snapshot.id):
        snapshot_id, volume_id = SnapshotId(strange), VolumeId(strange)
        with pytest.raises(errors.NotFound):
            bench.snapshots.get_snapshot(snapshot_id)
        with pytest.raises(errors.NotFound):
            bench.snapshots.create_volume_from_snapshot(bench.spec("nothing"), snapshot_id)
        with pytest.raises(errors.NotFound):
            bench.snapshots.create_snapshot(SnapshotSpec("nothing", volume_id, {}))
        bench.snapshots.delete_snapshot(snapshot_id)
    assert bench.snapshots.list_snapshots() == [snapshot]
    assert bench.driver.list_volumes() == [volume]


@checks("create_snapshot", "get_volume")
def test_a_snapshot_is_no_volume_and_a_volume_no_snapshot(bench: Bench) -> None:
    volume = bench.create()
    snapshot = bench.snapshot(volume)
    with pytest.raises(errors.NotFound):
        bench.driver.get_volume(VolumeId(snapshot.id))
    with pytest.raises(errors.NotFound):
        bench.snapshots.get_snapshot(SnapshotId(volume.id))
    assert bench.driver.find_volume("snapshot") is None
