"""A member of a group snapshot can be deleted like any snapshot."""

from __future__ import annotations

from broken.grouping import GroupingDriver
from broken.right import RightDriver

from drivers import interface
from drivers.model import SnapshotId


@interface.volumedriver("broken")
class Driver(GroupingDriver):
    """Right but for one thing."""

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        RightDriver.delete_snapshot(self, snapshot_id)
