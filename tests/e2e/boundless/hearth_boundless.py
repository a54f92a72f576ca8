"""Two drivers that do not know how much room they have: one has no end, the other cannot tell.

Python finds them in the image of Hearth by the entry points beside this file, as any driver of others.
"""

from collections.abc import Mapping
from dataclasses import replace

from hearth_toy import ToyDriver

from drivers import interface
from drivers.model import INFINITE, MIB, UNKNOWN, Capacity, VolumeStats


class Boundless(ToyDriver):
    """The toy of the guide, but for what it says of its room."""

    ROOM: Capacity

    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        known, room = super().get_volume_stats(options, refresh=refresh), self.ROOM
        return replace(known, total_capacity=room, free_capacity=room, max_volume_size=room)

    def _fitting(self, required: int, present: int = 0) -> int:
        return max(present, -(-required // MIB) * MIB)


@interface.volumedriver("infinite")
class Infinite(Boundless):
    """There is always room."""

    ROOM = INFINITE


@interface.volumedriver("unknown")
class Unknown(Boundless):
    """There may be room."""

    ROOM = UNKNOWN
