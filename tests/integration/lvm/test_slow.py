"""An LVM that is slow makes answers late, never wrong."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import pytest

from drivers.exec import NOTHING, Arg, Host, Result
from drivers.lvm.capacity import STALE
from drivers.model import MIB, SnapshotSpec
from tests.integration.lvm import bench

pytestmark = pytest.mark.lab


class Slow(Host):
    """A door behind which LVM takes longer to describe a group than anybody waits for statistics."""

    def __call__(
        self,
        argv: Sequence[Arg],
        *,
        ok: Sequence[int] = (0,),
        wait: bool = False,
        pass_fds: Sequence[int] = (),
        environment: Mapping[str, str] = NOTHING,
    ) -> Result:
        if "fullreport" in argv:
            time.sleep(STALE + 0.5)
        return super().__call__(argv, ok=ok, wait=wait, pass_fds=pass_fds, environment=environment)


@pytest.fixture
def backend() -> Iterator[bench.Backend]:
    with (
        bench.disks([136 * MIB]) as devices,
        bench.group(devices, pool="64m"),
        bench.backend(run=Slow(), thinPools=["pool"]) as backend,
    ):
        yield backend


def test_what_was_just_made_is_found(backend: bench.Backend) -> None:
    volume = backend.create("data", 16 * MIB)
    assert backend.driver.get_volume(volume.id) == volume
    snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    assert backend.driver.get_snapshot(snapshot.id) == snapshot
