"""What a backend can do: the contract between Hearth and a volume driver, one file per ability.

The words are OpenStack Cinder's. A driver is a class that implements `VolumeDriver` and whichever of
the other interfaces it can serve, and carries the decorator `@interface.volumedriver("name")`. What
Hearth announces for it follows from the classes it implements; nothing is declared twice.

    VolumeDriver     volumes: make, list, grow, connect, delete, copy images in and out
    SnapshotDriver   snapshots, and volumes made from them
    CloneDriver      volumes made from volumes
    RevertDriver     taking a volume back to a snapshot
    ManageDriver     volumes that somebody else made: list, bring in, let go
    ManageSnapshotsDriver   the same for snapshots
    GroupDriver      one moment of several volumes
"""

from drivers.interface.clone import CloneDriver
from drivers.interface.group import GroupDriver
from drivers.interface.manage import ManageDriver
from drivers.interface.manage_snapshots import ManageSnapshotsDriver
from drivers.interface.registration import (
    DriverRejected,
    Registry,
    abilities,
    interfaces,
    load_drivers,
    volumedriver,
)
from drivers.interface.revert import RevertDriver
from drivers.interface.snapshot import SnapshotDriver
from drivers.interface.volume import VolumeDriver

__all__ = [
    "CloneDriver",
    "DriverRejected",
    "GroupDriver",
    "ManageDriver",
    "ManageSnapshotsDriver",
    "Registry",
    "RevertDriver",
    "SnapshotDriver",
    "VolumeDriver",
    "abilities",
    "interfaces",
    "load_drivers",
    "volumedriver",
]
