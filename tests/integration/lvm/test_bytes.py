"""What a volume holds through its whole life, compared byte by byte, on every layout."""

from __future__ import annotations

import os
import random

import pytest

from drivers.errors import InUse, Invalid, OutOfRange, Precondition
from drivers.lvm import names
from drivers.model import MIB, Content, SizeRange, SnapshotSpec, Volume, VolumeSpec
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SIZE = 16 * MIB
LAYOUTS = [
    {"layout": "thin"},
    {"layout": "linear"},
    {"layout": "striped", "stripes": "3"},
    {"layout": "raid1"},
    {"layout": "raid10", "stripes": "2"},
]


def _name(options: dict[str, str]) -> str:
    return options["layout"]


def _data(seed: int) -> bytes:
    return random.Random(seed).randbytes(SIZE)  # noqa: S311


def _filled(backend: bench.Backend, options: dict[str, str], seed: int = 1) -> Volume:
    volume = backend.create("filled", SIZE, **options)
    backend.write(volume.id, _data(seed))
    return volume


@pytest.mark.parametrize("options", LAYOUTS, ids=_name)
def test_a_restore_and_a_clone_hold_what_their_source_held(
    backend: bench.Backend, options: dict[str, str]
) -> None:
    volume = _filled(backend, options)
    snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    backend.write(volume.id, _data(2))
    larger = VolumeSpec("restored", SizeRange(2 * SIZE), options=options)
    restored = backend.driver.create_volume_from_snapshot(larger, snapshot.id)
    clone = backend.driver.create_cloned_volume(
        VolumeSpec("cloned", SizeRange(2 * SIZE), options=options), volume.id
    )
    rest = bytes(restored.size - SIZE)
    assert backend.read(restored.id) == _data(1) + rest
    assert backend.read(clone.id) == _data(2) + rest
    backend.write(clone.id, _data(3))
    assert backend.read(volume.id)[:SIZE] == _data(2)


@pytest.mark.parametrize("options", LAYOUTS[:2], ids=_name)
def test_a_copy_to_the_other_layout_is_a_copy(
    backend: bench.Backend, options: dict[str, str]
) -> None:
    volume = _filled(backend, options)
    other = LAYOUTS[0] if options is LAYOUTS[1] else LAYOUTS[1]
    clone = backend.driver.create_cloned_volume(
        VolumeSpec("cloned", SizeRange(SIZE + 8 * MIB), options=other), volume.id
    )
    assert clone.options == other
    assert backend.read(clone.id) == _data(1) + bytes(8 * MIB)


@pytest.mark.parametrize("options", LAYOUTS, ids=_name)
def test_reverting_after_growth_keeps_size_ids_and_all_snapshots(
    backend: bench.Backend, options: dict[str, str]
) -> None:
    volume = _filled(backend, options)
    driver = backend.driver
    first = driver.create_snapshot(SnapshotSpec("first", volume.id))
    backend.write(volume.id, _data(2))
    second = driver.create_snapshot(SnapshotSpec("second", volume.id))
    backend.write(volume.id, _data(3))
    grown = driver.extend_volume(volume.id, 2 * SIZE)
    reverted = driver.revert_to_snapshot(volume.id, first.id)
    assert (reverted.id, reverted.size) == (volume.id, grown.size)
    assert backend.read(volume.id)[:SIZE] == _data(1)
    assert driver.list_snapshots() == sorted((first, second), key=lambda each: each.id)
    for snapshot, seed in ((first, 1), (second, 2)):
        spec = VolumeSpec(f"from {seed}", SizeRange(SIZE), options=options)
        restored = driver.create_volume_from_snapshot(spec, snapshot.id)
        assert backend.read(restored.id)[:SIZE] == _data(seed)
    assert driver.revert_to_snapshot(volume.id, second.id).size == grown.size
    assert backend.read(volume.id)[:SIZE] == _data(2)


def test_a_copy_on_write_area_that_grew_holds_every_block(backend: bench.Backend) -> None:
    """Twice the size, then rewritten whole: an area of the origin's own size would overflow."""
    volume = _filled(backend, {"layout": "linear"})
    snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    grown = backend.driver.extend_volume(volume.id, 4 * SIZE)
    late = backend.driver.create_snapshot(SnapshotSpec("late", volume.id))
    grown = backend.driver.extend_volume(volume.id, grown.size + 4 * MIB)
    backend.write(volume.id, os.urandom(grown.size))
    assert backend.driver.get_snapshot(snapshot.id).usable
    assert backend.driver.get_snapshot(late.id).usable
    spec = VolumeSpec("restored", SizeRange(late.size), options={"layout": "linear"})
    restored = backend.driver.create_volume_from_snapshot(spec, late.id)
    assert backend.read(restored.id) == _data(1) + bytes(late.size - SIZE)


def test_a_thick_volume_in_use_does_not_grow_past_its_snapshots(backend: bench.Backend) -> None:
    volume = _filled(backend, {"layout": "linear"})
    snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    connection = backend.driver.initialize_connection(volume.id)
    with connection.path.open("rb"):
        with pytest.raises(Precondition, match=snapshot.id):
            backend.driver.extend_volume(volume.id, 2 * SIZE)
        with pytest.raises(InUse):
            backend.driver.revert_to_snapshot(volume.id, snapshot.id)
        with pytest.raises(InUse):
            backend.driver.delete_volume(volume.id)
    backend.driver.terminate_connection(volume.id)
    assert backend.driver.extend_volume(volume.id, 2 * SIZE).size == 2 * SIZE
    with pytest.raises(InUse, match=snapshot.id):
        backend.driver.delete_volume(volume.id)


def test_ids_outlive_what_an_administrator_renames(backend: bench.Backend) -> None:
    volume = _filled(backend, {"layout": "thin"})
    (name,) = bench.lvs()
    bench.sh("lvm", "lvrename", bench.VG, name, "renamed-by-hand")
    assert backend.driver.find_volume("filled") == volume
    assert backend.read(volume.id)[:SIZE] == _data(1)
    again = backend.create("filled", SIZE, layout="thin")
    assert again.id == volume.id


def test_what_is_not_ours_is_never_touched(backend: bench.Backend) -> None:
    bench.sh("lvm", "lvcreate", "--yes", "-l", "2", "-n", "theirs", bench.VG)
    try:
        assert backend.driver.list_volumes() == []
        wanted = VolumeSpec("taken", SizeRange(SIZE), options={"layout": "linear"})
        name = f"vol-{names.digest('taken')}"
        bench.sh("lvm", "lvrename", bench.VG, "theirs", name)
        with pytest.raises(Exception, match="rename it"):
            backend.driver.create_volume(wanted)
        bench.sh("lvm", "lvrename", bench.VG, name, "theirs")
    finally:
        bench.sh("lvm", "lvremove", "--yes", f"{bench.VG}/theirs")


def test_a_layout_is_made_or_refused(backend: bench.Backend) -> None:
    five = VolumeSpec("five", SizeRange(SIZE), options={"layout": "striped", "stripes": "5"})
    with pytest.raises(Exception, match="room of that kind"):
        backend.driver.create_volume(five)
    with pytest.raises(Invalid, match="no meaning"):
        backend.create("odd", SIZE, layout="linear", stripes="2")
    with pytest.raises(Invalid, match="use one of"):
        backend.create("odd", SIZE, layout="raid6")
    assert bench.lvs() == {}


def test_sizes_are_rounded_up_within_the_limit(backend: bench.Backend) -> None:
    volume = backend.create("odd", SIZE + 1, layout="linear")
    assert (volume.size, volume.requested) == (SIZE + 4 * MIB, SIZE + 1)
    narrow = VolumeSpec("narrow", SizeRange(SIZE + 1, SIZE + 2), options={"layout": "linear"})
    with pytest.raises(OutOfRange, match="multiple of"):
        backend.driver.create_volume(narrow)


def test_the_mark_of_the_content_outlives_the_process(backend: bench.Backend) -> None:
    volume = _filled(backend, {"layout": "linear"})
    backend.driver.set_content(volume.id, Content.FORMATTED)
    with bench.backend(thinPools=["pool"]) as other:
        assert other.driver.get_volume(volume.id).content is Content.FORMATTED
