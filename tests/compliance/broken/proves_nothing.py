"""Its connections do not say what device they lead to."""

from __future__ import annotations

from dataclasses import replace

from broken.right import RightDriver

from drivers import interface
from drivers.model import Connection, VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        return replace(super().initialize_connection(volume_id), backing_file=None)
