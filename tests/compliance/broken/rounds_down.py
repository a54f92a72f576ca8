"""It makes volumes that are smaller than was asked for."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface
from drivers.model import MIB


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def _fitting(self, required: int, present: int = 0) -> int:
        return max(
            MIB, super()._fitting(required, present) // MIB * MIB - MIB * (required % MIB > 0)
        )
