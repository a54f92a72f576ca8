"""Members of a group snapshot are seen before all of them are there."""

from __future__ import annotations

from broken.grouping import GroupingDriver
from broken.right import RightDriver

from drivers import interface
from drivers.model import Snapshot, SnapshotId


@interface.volumedriver("broken")
class Driver(GroupingDriver):
    """Right but for one thing."""

    def _snapshots(self) -> dict[SnapshotId, Snapshot]:
        return RightDriver._snapshots(self)
