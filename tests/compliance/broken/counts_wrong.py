"""Its stats do not follow what it makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from broken.right import RightDriver

from drivers import interface
from drivers.model import VolumeStats


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        return replace(super().get_volume_stats(options, refresh=refresh), provisioned_capacity=0)
