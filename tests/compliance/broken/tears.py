"""It copies what is being written, so that the copy shows two moments."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface
from drivers.model import Volume, VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def _closed(self, volume_id: VolumeId) -> Volume:
        return self.get_volume(volume_id)
