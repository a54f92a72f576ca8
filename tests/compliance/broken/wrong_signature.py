"""Its method has a parameter of another name."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface
from drivers.model import Volume, VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def extend_volume(self, volume_id: VolumeId, size: int) -> Volume:
        return super().extend_volume(volume_id, size)
