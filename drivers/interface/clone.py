"""The interface of drivers that can make a volume from a volume."""

from __future__ import annotations

from abc import ABC, abstractmethod

from drivers.model import Volume, VolumeId, VolumeSpec


class CloneDriver(ABC):
    """Clones. The rules of `drivers.interface.volume` apply."""

    @abstractmethod
    def create_cloned_volume(self, spec: VolumeSpec, volume_id: VolumeId) -> Volume:
        """Make a volume that starts with the bytes of another as they are at one moment.

        As `create_volume_from_snapshot`, with a volume as the source, also while that is mounted and
        written; the two are independent afterwards. A driver that cannot hold the source still raises
        `Precondition` while that is connected.
        """
