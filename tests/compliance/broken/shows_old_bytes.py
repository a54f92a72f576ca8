"""The next volume shows what a deleted one held."""

from __future__ import annotations

import shutil
from pathlib import Path

from broken.right import RightDriver

from drivers import interface
from drivers.model import Volume, VolumeId, VolumeSpec


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def create_volume(self, spec: VolumeSpec) -> Volume:
        known = self.find_volume(spec.name) is not None
        volume, spare = super().create_volume(spec), self._path("spare")
        if spare.exists() and not known:
            self._copy(spare, self._file(volume.id), volume, volume.size)
        return volume

    def delete_volume(self, volume_id: VolumeId) -> None:
        if volume_id in self._volumes():
            shutil.copyfile(self._file(volume_id), self._path("spare"))
        super().delete_volume(volume_id)

    def _path(self, name: str) -> Path:
        return self.options.directory / name
