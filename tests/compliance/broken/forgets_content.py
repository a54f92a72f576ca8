"""What a volume holds is known to this process alone."""

from __future__ import annotations

from dataclasses import replace

from broken.right import RightDriver

from drivers import interface
from drivers.model import Content, Volume, VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def set_content(self, volume_id: VolumeId, content: Content) -> Volume:
        self.__dict__.setdefault("memory", {})[volume_id] = content
        return self.get_volume(volume_id)

    def get_volume(self, volume_id: VolumeId) -> Volume:
        found = super().get_volume(volume_id)
        memory = self.__dict__.get("memory", {})
        return replace(found, content=memory.get(volume_id, found.content))
