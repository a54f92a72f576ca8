"""It has a method that no interface has."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface
from drivers.model import VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def copy_image_to_volumes(self, volume_id: VolumeId) -> None:
        """Nobody will ever call this."""
