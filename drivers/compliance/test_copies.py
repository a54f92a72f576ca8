"""What a driver does with clones, and with volumes that go back to a snapshot."""

from __future__ import annotations

import pytest

from drivers import errors
from drivers.compliance.bench import LARGE, SIZE, Bench, is_device, pattern
from drivers.compliance.marks import checks
from drivers.compliance.test_snapshots import filled
from drivers.compliance.test_volumes import strange_ids
from drivers.compliance.writers import NUMBER, moving, torn
from drivers.model import (
    Content,
    SizeRange,
    Snapshot,
    SnapshotId,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeSpec,
)


def clone(bench: Bench, volume: Volume, name: str = "clone", size: int = SIZE) -> Volume:
    """A volume made from a volume, which is disconnected for it."""
    spec = bench.spec(name, size)
    bench.disconnect(volume.id)
    return bench.done(bench.clones.create_cloned_volume, spec, volume.id)


def revert(bench: Bench, volume: Volume, snapshot: Snapshot) -> Volume:
    """The volume, taken back."""
    bench.disconnect(volume.id)
    return bench.done(bench.reverts.revert_to_snapshot, volume.id, snapshot.id)


@checks("create_cloned_volume")
def test_a_clone_has_the_bytes_and_is_one_of_its_own(bench: Bench) -> None:
    volume = filled(bench)
    copy = clone(bench, volume)
    assert copy.source == Source(SourceKind.VOLUME, volume.id)
    assert copy.content is Content.INHERITED
    assert bench.read(copy.id) == pattern(1, volume.size)
    bench.write(volume.id, pattern(2, volume.size))
    assert bench.read(copy.id) == pattern(1, volume.size)
    bench.write(copy.id, pattern(3, volume.size))
    assert bench.read(volume.id) == pattern(2, volume.size)


@checks("create_cloned_volume", "delete_volume")
def test_a_clone_outlives_its_source(bench: Bench) -> None:
    volume = filled(bench)
    copy = clone(bench, volume)
    bench.done(bench.driver.delete_volume, volume.id)
    assert bench.read(copy.id) == pattern(1, volume.size)
    assert bench.driver.list_volumes() == [copy]


@checks("create_cloned_volume")
def test_cloning_twice_gives_the_same_volume(bench: Bench) -> None:
    volume = filled(bench)
    first = clone(bench, volume)
    bench.write(volume.id, pattern(2, volume.size))
    assert clone(bench, volume) == first
    bench.restart()
    assert clone(bench, volume) == first
    assert bench.read(first.id) == pattern(1, volume.size)
    assert len(bench.driver.list_volumes()) == 2


@checks("create_cloned_volume")
def test_a_clone_may_be_larger_and_ends_with_zeros(bench: Bench) -> None:
    volume = filled(bench)
    copy = clone(bench, volume, size=3 * volume.size + 1)
    assert 3 * volume.size < copy.size <= 3 * volume.size + bench.unit
    assert bench.read(copy.id) == pattern(1, volume.size) + bytes(copy.size - volume.size)


@checks("create_cloned_volume")
def test_a_clone_may_not_be_smaller(bench: Bench) -> None:
    volume = bench.create(size=2 * SIZE)
    spec = VolumeSpec("smaller", SizeRange(1, volume.size - 1))
    with pytest.raises(errors.OutOfRange):
        bench.clones.create_cloned_volume(spec, volume.id)
    assert bench.driver.list_volumes() == [volume]


@checks("create_cloned_volume")
def test_a_volume_in_use_is_cloned_at_one_moment_or_left_alone(bench: Bench) -> None:
    volume, spec = bench.create(size=LARGE), bench.spec("clone", LARGE)
    bench.write(volume.id, pattern(1, volume.size))
    with bench.connected(volume.id) as connection, moving(connection):
        try:
            copy = bench.done(bench.clones.create_cloned_volume, spec, volume.id)
        except errors.Precondition:
            assert bench.driver.list_volumes() == [volume]
            return
    content = bench.read(copy.id)
    assert not torn(content)
    assert content[NUMBER:-NUMBER] == pattern(1, volume.size)[NUMBER:-NUMBER]


@checks("create_cloned_volume")
def test_a_clone_of_nothing_is_refused(bench: Bench) -> None:
    volume = bench.create()
    for strange in strange_ids(bench, volume.id):
        with pytest.raises(errors.NotFound):
            bench.clones.create_cloned_volume(bench.spec("nothing"), VolumeId(strange))
    assert bench.driver.list_volumes() == [volume]


@checks("revert_to_snapshot")
def test_reverting_brings_the_bytes_back_and_keeps_all_else(bench: Bench) -> None:
    volume = filled(bench, 1)
    first = bench.snapshot(volume, "first")
    bench.write(volume.id, pattern(2, volume.size))
    second = bench.snapshot(volume, "second")
    bench.write(volume.id, pattern(3, volume.size))
    reverted = revert(bench, volume, first)
    assert reverted == bench.driver.get_volume(volume.id) == volume
    assert bench.read(volume.id) == pattern(1, volume.size)
    assert bench.driver.find_volume("source") == volume
    assert {each.id for each in bench.snapshots.list_snapshots()} == {first.id, second.id}
    revert(bench, volume, second)
    assert bench.read(volume.id) == pattern(2, volume.size)
    revert(bench, volume, first)
    assert bench.read(volume.id) == pattern(1, volume.size)


@checks("revert_to_snapshot", "extend_volume")
def test_reverting_keeps_the_present_size(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    bench.write(volume.id, pattern(2, volume.size))
    grown = bench.driver.extend_volume(volume.id, 2 * volume.size)
    assert revert(bench, volume, snapshot).size == grown.size
    content = bench.read(volume.id)
    assert content[: volume.size] == pattern(1, volume.size)
    assert content[volume.size :] == bytes(grown.size - volume.size)


@checks("revert_to_snapshot", "create_snapshot", "set_content")
def test_reverting_takes_back_what_the_volume_is_said_to_hold(bench: Bench) -> None:
    volume = bench.create()
    before = bench.read(volume.id)
    snapshot = bench.snapshot(volume)
    bench.write(volume.id, pattern(1, volume.size))
    bench.driver.set_content(volume.id, Content.FORMATTED)
    assert revert(bench, volume, snapshot).content is Content.BLANK
    bench.restart()
    assert bench.driver.get_volume(volume.id).content is Content.BLANK
    assert bench.read(volume.id) == before


@checks("revert_to_snapshot")
def test_a_snapshot_stays_what_it_was_after_a_revert(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    revert(bench, volume, snapshot)
    bench.write(volume.id, pattern(2, volume.size))
    assert bench.snapshots.get_snapshot(snapshot.id) == snapshot
    revert(bench, volume, snapshot)
    assert bench.read(volume.id) == pattern(1, volume.size)


@checks("revert_to_snapshot", "initialize_connection")
def test_an_open_volume_is_not_reverted(bench: Bench) -> None:
    volume = filled(bench)
    snapshot = bench.snapshot(volume)
    bench.write(volume.id, pattern(2, volume.size))
    with bench.connected(volume.id) as connection, connection.path.open("rb") as device:
        if is_device(connection):
            with pytest.raises(errors.InUse):
                bench.reverts.revert_to_snapshot(volume.id, snapshot.id)
        assert device.read() == pattern(2, volume.size)
    assert bench.read(volume.id) == pattern(2, volume.size)
    revert(bench, volume, snapshot)
    assert bench.read(volume.id) == pattern(1, volume.size)


@checks("revert_to_snapshot")
def test_a_revert_needs_a_volume_and_a_snapshot_of_it(bench: Bench) -> None:
    volume, other = filled(bench), bench.create("other")
    before = bench.read(other.id)
    snapshot = bench.snapshot(volume)
    with pytest.raises(errors.Invalid):
        bench.reverts.revert_to_snapshot(other.id, snapshot.id)
    for strange in strange_ids(bench, volume.id):
        with pytest.raises(errors.NotFound):
            bench.reverts.revert_to_snapshot(VolumeId(strange), snapshot.id)
    for strange in strange_ids(bench, snapshot.id):
        with pytest.raises(errors.NotFound):
            bench.reverts.revert_to_snapshot(volume.id, SnapshotId(strange))
    assert bench.read(other.id) == before
