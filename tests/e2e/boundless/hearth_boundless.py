"""Two drivers that do not know how much room they have: one has no end, the other cannot tell.

Python finds them in the image of Hearth by the entry points beside this file, as any driver of others.
"""

from collections.abc import Mapping
from dataclasses import replace

from drivers import interface
from drivers.loop.driver import LoopDriver
from drivers.model import INFINITE, UNKNOWN, Capacity, VolumeStats


class Boundless(LoopDriver):
    """Files on loop devices, but for what it says of its room."""

    ROOM: Capacity

    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        known, room = super().get_volume_stats(options, refresh=refresh), self.ROOM
        return replace(known, total_capacity=room, free_capacity=room, max_volume_size=room)


@interface.volumedriver("infinite")
class Infinite(Boundless):
    """There is always room."""

    ROOM = INFINITE


@interface.volumedriver("unknown")
class Unknown(Boundless):
    """There may be room."""

    ROOM = UNKNOWN
