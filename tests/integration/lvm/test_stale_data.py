"""Nobody reads what another tenant wrote, whatever way the extents came back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.model import MIB, SizeRange, SnapshotSpec, Volume, VolumeSpec
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SIZE = 24 * MIB
OLD = bench.BLOCK * (SIZE // 4096)
THICK = [
    {"layout": "linear"},
    {"layout": "striped", "stripes": "2"},
    {"layout": "raid1"},
    {"layout": "raid10", "stripes": "2"},
]


def _name(options: dict[str, str]) -> str:
    return options["layout"]


@pytest.fixture(scope="module")
def disks() -> Iterator[list[str]]:
    with bench.disks([136 * MIB] * 4) as devices:
        yield devices


@pytest.fixture
def backend(disks: list[str]) -> Iterator[bench.Backend]:
    with bench.group(disks, pool="64m"), bench.backend(thinPools=["pool"]) as backend:
        yield backend


def _filled(backend: bench.Backend, options: dict[str, str]) -> Volume:
    volume = backend.create("filled", SIZE, **options)
    backend.write(volume.id, OLD)
    return volume


def test_the_search_finds_old_blocks(backend: bench.Backend) -> None:
    """Without the driver's care they are there: the other tests can fail."""
    volume = _filled(backend, {"layout": "linear"})
    (name,) = bench.lvs()
    bench.sh("lvm", "lvremove", "--yes", f"{bench.VG}/{name}")
    assert volume.size == SIZE
    assert bench.old_blocks() == SIZE // 4096
    bench.sh("lvm", "lvcreate", "--yes", "-Wn", "-Zn", "-l", "100%FREE", "-n", "all", bench.VG)
    bench.sh("blkdiscard", "-z", "-f", f"/dev/{bench.VG}/all")
    bench.sh("lvm", "lvremove", "--yes", f"{bench.VG}/all")


@pytest.mark.parametrize("options", THICK, ids=_name)
def test_after_a_volume_is_deleted(backend: bench.Backend, options: dict[str, str]) -> None:
    backend.driver.delete_volume(_filled(backend, options).id)
    backend.drained()
    assert bench.old_blocks() == 0
    assert bench.lvs() == {}


@pytest.mark.parametrize("options", THICK[:2], ids=_name)
def test_after_a_snapshot_is_deleted(backend: bench.Backend, options: dict[str, str]) -> None:
    volume = _filled(backend, options)
    snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    backend.write(volume.id, bytes(SIZE))
    backend.driver.delete_snapshot(snapshot.id)
    backend.drained()
    assert bench.old_blocks() == 0


@pytest.mark.parametrize("options", THICK[:3], ids=_name)
def test_after_a_revert(backend: bench.Backend, options: dict[str, str]) -> None:
    volume = backend.create("reverted", SIZE, **options)
    snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    other = backend.driver.create_snapshot(SnapshotSpec("other", volume.id))
    backend.write(volume.id, OLD)
    backend.driver.revert_to_snapshot(volume.id, snapshot.id)
    assert backend.read(volume.id) == bytes(SIZE)
    for each in (snapshot, other):
        backend.driver.delete_snapshot(each.id)
    backend.drained()
    assert bench.old_blocks() == 0


def test_after_a_revert_of_half_written_data(backend: bench.Backend) -> None:
    """The area that is merged holds blocks of the origin, from before it was overwritten."""
    volume = _filled(backend, {"layout": "linear"})
    snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    backend.write(volume.id, bytes(SIZE // 2))
    backend.driver.revert_to_snapshot(volume.id, snapshot.id)
    assert backend.read(volume.id) == OLD
    assert bench.old_blocks() == 0


def test_after_a_copy(backend: bench.Backend) -> None:
    volume = _filled(backend, {"layout": "linear"})
    connection = backend.driver.initialize_connection(volume.id)
    spec = VolumeSpec("copy", SizeRange(SIZE + 8 * MIB), options={"layout": "linear"})
    clone = backend.driver.create_cloned_volume(spec, volume.id)
    with connection.path.open("r+b", 0) as device:
        device.write(bytes(SIZE))
    backend.driver.terminate_connection(volume.id)
    assert backend.read(clone.id) == OLD + bytes(8 * MIB)
    backend.driver.delete_volume(clone.id)
    backend.drained()
    assert bench.old_blocks() == 0


def test_in_a_new_volume_of_a_group_that_held_the_data_of_others(disks: list[str]) -> None:
    with bench.group(disks):
        with bench.backend() as backend:
            _filled(backend, {"layout": "linear"})
            (name,) = bench.lvs()
            bench.sh("lvm", "lvremove", "--yes", f"{bench.VG}/{name}")
        with bench.backend(wipeOn="both") as backend:
            volume = backend.create("new", 480 * MIB)
            assert bench.MARK not in backend.read(volume.id)
            backend.driver.delete_volume(volume.id)
            backend.drained()


@pytest.mark.parametrize("options", [*THICK, {"layout": "thin"}], ids=_name)
def test_for_a_reader_across_the_end_of_a_volume_that_grows(
    backend: bench.Backend, options: dict[str, str]
) -> None:
    """Old blocks lie in all free extents; the reader looks at the new part as soon as it is there."""
    bench.sh("lvm", "lvcreate", "--yes", "-Wn", "-Zn", "-l", "100%FREE", "-n", "all", bench.VG)
    size = int(bench.sh("blockdev", "--getsize64", f"/dev/{bench.VG}/all"))
    with Path(f"/dev/{bench.VG}/all").open("r+b", 0) as device:
        for _ in range(0, size, SIZE):
            device.write(OLD)
    bench.sh("lvm", "lvremove", "--yes", f"{bench.VG}/all")
    volume = backend.create("grown", SIZE, **options)
    connection = backend.driver.initialize_connection(volume.id)
    done, seen = threading.Event(), list[bytes]()

    def read() -> None:
        with connection.path.open("rb", 0) as device:
            while True:
                last = done.is_set()
                device.seek(SIZE)
                while chunk := device.read(MIB):
                    seen.append(chunk.strip(b"\0"))
                if last:
                    return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        grown = backend.driver.extend_volume(volume.id, 2 * SIZE)
    finally:
        done.set()
        reader.join()
    backend.driver.terminate_connection(volume.id)
    assert grown.size >= 2 * SIZE
    assert seen
    assert not any(seen), "the reader saw blocks that were not zero"


def test_none_leaves_what_was_there(disks: list[str]) -> None:
    """The policy of who has no others: proof that it is the wiping that wipes."""
    with bench.group(disks), bench.backend(wipe="none") as backend:
        volume = _filled(backend, {"layout": "linear"})
        assert volume.size == SIZE
        backend.driver.delete_volume(volume.id)
        assert bench.old_blocks() >= SIZE // 4096


def test_discard_gives_the_extents_back_to_the_disk(disks: list[str]) -> None:
    """What discarded blocks read as is the disk's choice; this one reads zeros."""
    with bench.group(disks), bench.backend(wipe="discard") as backend:
        backend.driver.delete_volume(_filled(backend, {"layout": "linear"}).id)
        backend.drained()
        assert bench.lvs() == {}
