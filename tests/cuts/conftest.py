"""How many cuts, and a volume group with a thin pool for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.model import MIB
from tests.integration.lvm import bench


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell how much to try."""
    parser.addoption("--cuts", type=int, default=10, help="how often each kind of group is cut")


@pytest.fixture
def cuts(pytestconfig: pytest.Config) -> int:
    found = pytestconfig.getoption("cuts")
    assert isinstance(found, int)
    return found


@pytest.fixture(scope="module")
def volume_group() -> Iterator[str]:
    with bench.disks([1800 * MIB] * 2) as devices, bench.group(devices, pool="3g") as name:
        yield name


@pytest.fixture
def backend(volume_group: str) -> Iterator[bench.Backend]:
    """A driver; each test leaves the group as it found it."""
    with bench.backend(thinPools=["pool"], overcommit=8) as backend:
        yield backend
        for cut in backend.driver.list_group_snapshots():
            backend.driver.delete_group_snapshot(cut.id)
        for snapshot in backend.driver.list_snapshots():
            backend.driver.delete_snapshot(snapshot.id)
        for volume in backend.driver.list_volumes():
            backend.driver.terminate_connection(volume.id)
            backend.driver.delete_volume(volume.id)
        assert bench.lvs() == {}, volume_group
