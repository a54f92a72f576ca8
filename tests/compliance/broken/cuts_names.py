"""Long names that begin alike are one name."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface
from drivers.model import VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def _id_of(self, name: str) -> VolumeId:
        return super()._id_of(name.encode()[:127].decode(errors="ignore"))
