"""A group with a thin pool for the tests of a module, and a driver on it for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.model import MIB
from tests.integration.lvm import bench


@pytest.fixture(scope="module")
def volume_group() -> Iterator[str]:
    with bench.disks([400 * MIB] * 4) as devices, bench.group(devices, pool="240m") as name:
        yield name


@pytest.fixture
def backend(volume_group: str) -> Iterator[bench.Backend]:
    """Each test leaves the group as it found it."""
    with bench.backend(thinPools=["pool"]) as backend:
        yield backend
        for snapshot in backend.driver.list_snapshots():
            backend.driver.delete_snapshot(snapshot.id)
        for volume in backend.driver.list_volumes():
            backend.driver.delete_volume(volume.id)
        backend.drained()
        assert bench.lvs() == {}, volume_group
