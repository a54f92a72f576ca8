"""A call that is repeated makes a second volume."""

from __future__ import annotations

import uuid
from dataclasses import replace

from broken.right import RightDriver

from drivers import interface
from drivers.model import Volume, VolumeSpec


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def create_volume(self, spec: VolumeSpec) -> Volume:
        again = self.find_volume(spec.name) is not None
        name = f"{spec.name}-{uuid.uuid4()}" if again else spec.name
        return super().create_volume(replace(spec, name=name))
