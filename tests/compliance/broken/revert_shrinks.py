"""A revert takes the growth of a volume back as well."""

from __future__ import annotations

import os

from broken.right import RightDriver

from drivers import interface
from drivers.model import SnapshotId, Volume, VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def revert_to_snapshot(self, volume_id: VolumeId, snapshot_id: SnapshotId) -> Volume:
        super().revert_to_snapshot(volume_id, snapshot_id)
        os.truncate(self._file(volume_id), self.get_snapshot(snapshot_id).size)
        return self.get_volume(volume_id)
