"""An LVM that is slow makes answers late, never wrong."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers import quiesce
from drivers.errors import Unavailable
from drivers.exec import Arg, Host, Result
from drivers.lvm.capacity import STALE
from drivers.model import MIB, SizeRange, SnapshotSpec, Volume, VolumeSpec
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

LOG_ROOT = 0x10000 + 96
"""Where a btrfs says that fsyncs wait to be replayed: 0 if none do."""


class Slow(Host):
    """A door behind which LVM takes longer for ``what`` than anybody is ready to wait."""

    what = "fullreport"

    def __call__(self, argv: Sequence[Arg], **manner: Any) -> Result:
        if self.what in argv:
            time.sleep(max(STALE, quiesce.LIMIT) + 0.5)
        return super().__call__(argv, **manner)


@pytest.fixture
def door() -> Slow:
    return Slow()


@pytest.fixture
def backend(door: Slow) -> Iterator[bench.Backend]:
    with (
        bench.disks([1000 * MIB]) as devices,
        bench.group(devices, pool="160m"),
        bench.backend(run=door, thinPools=["pool"], overcommit=2.0) as backend,
    ):
        yield backend


def test_what_was_just_made_is_found(backend: bench.Backend) -> None:
    volume = backend.create("data", 16 * MIB)
    assert backend.driver.get_volume(volume.id) == volume
    snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    assert backend.driver.get_snapshot(snapshot.id) == snapshot


@contextmanager
def mounted(backend: bench.Backend, volume: Volume, place: Path) -> Iterator[None]:
    """A btrfs on the volume, for the block; written to with fsync, so that it has a log."""
    path = backend.driver.initialize_connection(volume.id).path
    bench.sh("mkfs.btrfs", "-q", str(path))
    place.mkdir()
    bench.sh("mount", str(path), str(place))
    try:
        write(place / "first", b"first")
        yield
    finally:
        bench.sh("umount", str(place))
        backend.driver.terminate_connection(volume.id)


def write(path: Path, what: bytes) -> None:
    with path.open("wb") as file:
        file.write(what * 10_000)
        file.flush()
        os.fsync(file.fileno())


@pytest.mark.parametrize("layout", ["thin", "linear"])
def test_a_btrfs_that_moved_while_it_was_cut_is_cut_again(
    backend: bench.Backend, door: Slow, layout: str, tmp_path: Path
) -> None:
    door.what = "--snapshot"
    volume = backend.create("data", 128 * MIB, layout=layout)
    spec = VolumeSpec("copy", SizeRange(128 * MIB), options={"layout": layout})
    with mounted(backend, volume, tmp_path / "btrfs"):
        with pytest.raises(Unavailable, match="thawed"):
            backend.driver.create_cloned_volume(spec, volume.id)
        with pytest.raises(Unavailable, match="thawed"):
            backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
        assert [name for name in bench.lvs() if name.startswith("snap-")] == []
        door.what = "nothing"
        write(tmp_path / "btrfs/second", b"second")
        clone = backend.driver.create_cloned_volume(spec, volume.id)
    copied = backend.read(clone.id)
    assert b"second" * 100 in copied
    assert copied[LOG_ROOT : LOG_ROOT + 8] == bytes(8)
    backend.driver.delete_volume(clone.id)
    backend.driver.delete_volume(volume.id)
    backend.drained()
    assert bench.lvs() == {}
