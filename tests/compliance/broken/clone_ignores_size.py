"""A clone has the size of its source, whatever was asked for."""

from __future__ import annotations

from dataclasses import replace

from broken.right import RightDriver

from drivers import interface
from drivers.model import SizeRange, Volume, VolumeId, VolumeSpec


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def create_cloned_volume(self, spec: VolumeSpec, volume_id: VolumeId) -> Volume:
        size = SizeRange(self.get_volume(volume_id).size)
        return super().create_cloned_volume(replace(spec, size=size), volume_id)
