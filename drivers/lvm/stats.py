"""What the driver tells of its volume group, put together from those who know it."""

from __future__ import annotations

from drivers.interface import VolumeDriver
from drivers.lvm import records
from drivers.lvm.backups import Backups
from drivers.lvm.capacity import Capacity
from drivers.lvm.group import VolumeGroup
from drivers.lvm.jobs import Jobs
from drivers.lvm.layouts import Shape
from drivers.lvm.redundancy import Redundancy
from drivers.lvm.removal import Removal
from drivers.lvm.report import Group
from drivers.model import UNKNOWN, VolumeStats


class Stats:
    """Asks the parts of one driver."""

    def __init__(
        self,
        driver: VolumeDriver,
        group: VolumeGroup,
        capacity: Capacity,
        removal: Removal,
        jobs: Jobs,
        backups: Backups,
    ) -> None:
        self._driver = driver
        self._group = group
        self._capacity = capacity
        self._removal = removal
        self._jobs = jobs
        self._redundancy = Redundancy(group)
        self._backups = backups

    def told(self, now: Group, shape: Shape, *, ask: bool) -> VolumeStats:
        """All of it, for volumes of ``shape``; ``ask`` allows LVM runs."""
        largest = self._capacity.largest(now, shape, ask=ask)
        catalogue = records.catalogue(now)
        fills = list(self._capacity.fills(now))
        return VolumeStats(
            driver_version=self._driver.VERSION,
            vendor_name=self._driver.VENDOR_NAME,
            volume_backend_name=self._driver.name,
            storage_protocol=self._driver.STORAGE_PROTOCOL,
            total_capacity=self._capacity.total(now, shape),
            free_capacity=self._capacity.free(now, shape),
            provisioned_capacity=self._capacity.provisioned(now, shape),
            max_volume_size=UNKNOWN if largest is None else largest,
            allocation_unit=now.extent * shape.stripes,
            data_ratio=max((fill.data for fill in fills), default=None),
            metadata_ratio=max((fill.metadata for fill in fills), default=None),
            volumes=len(catalogue.volumes),
            snapshots=len(catalogue.snapshots),
            wiping=self._removal.backlog(now),
            unwipeable=len(self._removal.refused),
            missing_disks=now.missing,
            wiped=self._removal.wiped,
            degraded=self._redundancy.lost(now),
            jobs=self._jobs.progress(),
            unhealthy=self._group.trouble(now),
            warning=self._capacity.warning(now),
            revision=self._group.inventory.revision,
            copied=self._backups.latest,
            uncopied=self._backups.lag(),
        )
