"""A snapshot is what its source is now."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface
from drivers.model import SnapshotId, Volume, VolumeSpec


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def create_volume_from_snapshot(self, spec: VolumeSpec, snapshot_id: SnapshotId) -> Volume:
        snapshot = self.get_snapshot(snapshot_id)
        if (moving := self._file(snapshot.volume_id)).exists():
            self._copy(moving, self._cut(snapshot_id), snapshot, snapshot.size)
        return super().create_volume_from_snapshot(spec, snapshot_id)
