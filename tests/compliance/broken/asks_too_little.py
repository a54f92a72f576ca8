"""It tells of its snapshots that whoever asks for one byte gets enough for a restore."""

from __future__ import annotations

from dataclasses import replace

from broken.right import RightDriver

from drivers import interface
from drivers.model import Snapshot, SnapshotId, SnapshotSpec


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def create_snapshot(self, spec: SnapshotSpec) -> Snapshot:
        return self.get_snapshot(super().create_snapshot(spec).id)

    def _snapshots(self) -> dict[SnapshotId, Snapshot]:
        return {each: replace(told, requested=1) for each, told in super()._snapshots().items()}
