"""Capacity is honest: what GetCapacity promises can be had to the last extent, and no extent more."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.errors import Exhausted
from drivers.model import MIB
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

EXTENT = 4 * MIB
SHAPES = [
    {"layout": "linear"},
    {"layout": "striped", "stripes": "2"},
    {"layout": "striped", "stripes": "3"},
    {"layout": "striped", "stripes": "4"},
    {"layout": "raid1"},
    {"layout": "raid10", "stripes": "2"},
    {"layout": "thin"},
]


@pytest.fixture(scope="module")
def fragmented() -> Iterator[None]:
    """Four unequal disks whose free space lies in many pieces, and a thin pool."""
    sizes = [208 * MIB, 256 * MIB, 176 * MIB, 328 * MIB]
    with bench.disks(sizes) as devices, bench.group(devices, pool="60m"):
        bench.lvm(
            *(
                f"lvcreate --yes -an -Wn -Zn -l {1 + number % 3} -n f{number} {bench.VG}"
                f" {devices[number % 4]}"
                for number in range(40)
            ),
            *(f"lvremove --yes {bench.VG}/f{number}" for number in range(0, 40, 2)),
        )
        fillers = bench.lvs()
        assert len(fillers) == 20
        yield


@pytest.mark.usefixtures("fragmented")
@pytest.mark.parametrize("options", SHAPES, ids=lambda shape: "-".join(shape.values()))
def test_the_maximum_can_be_had_and_one_extent_more_cannot(options: dict[str, str]) -> None:
    with bench.backend(thinPools=["pool"]) as backend:
        stats = backend.driver.get_volume_stats(options, refresh=True)
        largest = stats.max_volume_size
        assert isinstance(largest, int)
        assert largest > 0
        with pytest.raises(Exhausted):
            backend.create("more", largest + EXTENT, **options)
        assert not [name for name in bench.lvs() if name.startswith("vol-")]
        volume = backend.create("most", largest, **options)
        assert volume.size == largest
        backend.driver.delete_volume(volume.id)
        backend.drained()


@pytest.mark.usefixtures("fragmented")
def test_the_reserve_stays_free() -> None:
    reserve = 100 * MIB
    with bench.backend(thinPools=["pool"], reserve=reserve) as backend:
        options = {"layout": "linear"}
        free = backend.driver.get_volume_stats(options, refresh=True)
        assert free.free_capacity == free.max_volume_size
        with pytest.raises(Exhausted, match="reserved"):
            backend.create("more", int(str(free.max_volume_size)) + EXTENT, **options)
        volume = backend.create("most", int(str(free.max_volume_size)), **options)
        rows = bench.sh("lvm", "vgs", "--noheadings", "--units", "b", "--nosuffix", "-o", "vg_free")
        assert reserve <= int(rows) < reserve + EXTENT
        backend.driver.delete_volume(volume.id)
        backend.drained()


@pytest.mark.usefixtures("fragmented")
def test_overcommit_bounds_what_a_pool_promises() -> None:
    with bench.backend(thinPools=["pool"], overcommit=2.0) as backend:
        stats = backend.driver.get_volume_stats({}, refresh=True)
        assert stats.max_volume_size == 120 * MIB
        volume = backend.create("most", 120 * MIB)
        with pytest.raises(Exhausted, match="overcommit"):
            backend.create("more", EXTENT)
        backend.driver.delete_volume(volume.id)


@pytest.mark.usefixtures("fragmented")
def test_a_pool_above_its_watermark_takes_no_more() -> None:
    with bench.backend(thinPools=["pool"], dataWatermark=0.25, overcommit=3.0) as backend:
        volume = backend.create("filled", 40 * MIB)
        backend.write(volume.id, b"x" * 20 * MIB)
        with pytest.raises(Exhausted, match="watermark"):
            backend.create("more", EXTENT)
        assert backend.driver.get_volume_stats({}, refresh=True).max_volume_size == 0
        backend.driver.delete_volume(volume.id)
