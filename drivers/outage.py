"""What is told of a backend that serves nothing: no room, why, and what has to be mended.

A lost disk takes the whole backend out of service. Whoever is to mend it must see it then, too.
"""

from __future__ import annotations

from drivers.errors import Absent, StorageError
from drivers.interface import VolumeDriver
from drivers.model import VolumeStats


def out_of_service(
    driver: VolumeDriver, trouble: StorageError, known: VolumeStats | None = None
) -> VolumeStats:
    """The state of a backend because of ``trouble``; ``known`` is what its driver still tells."""
    return VolumeStats(
        driver_version=driver.VERSION,
        vendor_name=driver.VENDOR_NAME,
        volume_backend_name=driver.name,
        storage_protocol=driver.STORAGE_PROTOCOL,
        total_capacity=0,
        free_capacity=0,
        max_volume_size=0,
        wiping=known.wiping if known else 0,
        unwipeable=known.unwipeable if known else 0,
        wiped=known.wiped if known else 0,
        missing_disks=known.missing_disks if known else 0,
        degraded=known.degraded if known else 0,
        copied=known.copied if known else None,
        uncopied=known.uncopied if known else None,
        unhealthy=str(trouble),
        absent=isinstance(trouble, Absent),
    )
