"""What a driver can do, asked for by the interface that has it.

Each function returns the driver as that interface, or raises `Unsupported` naming the backend and the
feature: the plugin announces what any of its drivers can do, so a backend may well lack it.
"""

from __future__ import annotations

from drivers.errors import Unsupported
from drivers.interface import (
    CloneDriver,
    GroupDriver,
    ManageDriver,
    ManageSnapshotsDriver,
    RevertDriver,
    SnapshotDriver,
    VolumeDriver,
)


def snapshots(driver: VolumeDriver) -> SnapshotDriver:
    """For making, restoring and deleting snapshots."""
    if isinstance(driver, SnapshotDriver):
        return driver
    raise _unsupported(driver, "make or restore snapshots")


def clones(driver: VolumeDriver) -> CloneDriver:
    """For volumes from volumes."""
    if isinstance(driver, CloneDriver):
        return driver
    raise _unsupported(driver, "clone volumes")


def reverts(driver: VolumeDriver) -> RevertDriver:
    """For taking a volume back to a snapshot."""
    if isinstance(driver, RevertDriver):
        return driver
    raise _unsupported(driver, "revert a volume to a snapshot")


def groups(driver: VolumeDriver) -> GroupDriver:
    """For groups of volumes, and one moment of several."""
    if isinstance(driver, GroupDriver):
        return driver
    raise _unsupported(driver, "freeze several volumes at one moment")


def manages(driver: VolumeDriver) -> ManageDriver:
    """For bringing volumes in and letting them go."""
    if isinstance(driver, ManageDriver):
        return driver
    raise _unsupported(driver, "take over or let go of volumes")


def manages_snapshots(driver: VolumeDriver) -> ManageSnapshotsDriver:
    """For bringing snapshots in and letting them go."""
    if isinstance(driver, ManageSnapshotsDriver):
        return driver
    raise _unsupported(driver, "take over or let go of snapshots")


def _unsupported(driver: VolumeDriver, feature: str) -> Unsupported:
    return Unsupported(
        f"backend {driver.name!r} (driver {driver.NAME}) cannot {feature}: use a backend of a driver"
        " that can"
    )
