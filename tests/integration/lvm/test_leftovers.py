"""What an operation that was given up halfway leaves behind goes with the volume it was for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.errors import Busy
from drivers.exec import Host
from drivers.model import MIB
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


class Impatient(Host):
    """A door at which the caller's deadline is over as soon as something is to be zeroed."""

    def step(self, what: str) -> None:
        if what.startswith("zero tmp-tail"):
            raise Busy("too late; ask again")


@pytest.fixture
def backend() -> Iterator[bench.Backend]:
    with (
        bench.disks([136 * MIB] * 2) as devices,
        bench.group(devices),
        bench.backend(run=Impatient()) as backend,
    ):
        yield backend


@pytest.mark.parametrize("layout", ["linear", "raid1"])
def test_a_growth_that_was_given_up_leaves_nothing_when_its_volume_goes(
    backend: bench.Backend, layout: str
) -> None:
    volume = backend.create("data", 16 * MIB, layout=layout)
    with pytest.raises(Busy):
        backend.driver.extend_volume(volume.id, 32 * MIB)
    assert len(bench.lvs()) > 1
    backend.driver.delete_volume(volume.id)
    backend.drained()
    assert bench.lvs() == {}
