"""A volume that is gone cannot be deleted."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface
from drivers.model import VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def delete_volume(self, volume_id: VolumeId) -> None:
        super().delete_volume(self.get_volume(volume_id).id)
