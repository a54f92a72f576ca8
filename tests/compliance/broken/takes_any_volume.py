"""A group that is made from a moment takes whatever volume has the name of one that it would make."""

from __future__ import annotations

from broken.grouping import GroupingDriver

from drivers import interface
from drivers.model import SnapshotId, Volume


@interface.volumedriver("broken")
class Driver(GroupingDriver):
    """Right but for one thing."""

    def _refuse_another(self, found: Volume | None, snapshot_id: SnapshotId) -> None:
        pass
