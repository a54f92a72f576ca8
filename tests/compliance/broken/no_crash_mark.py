"""A volume can be seen before it is finished."""

from __future__ import annotations

import os

import msgspec
from broken.right import RightDriver
from hearth_toy import KEY

from drivers import errors, interface
from drivers.model import Content, Volume, VolumeSpec


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def create_volume(self, spec: VolumeSpec) -> Volume:
        if found := self.find_volume(spec.name):
            return found
        size = self._fitting(spec.size.required)
        if size not in spec.size:
            raise errors.OutOfRange(f"{size} bytes are above the limit of {spec.size.limit}")
        volume_id, asked = self._id_of(spec.name), spec.size.required
        volume = Volume(volume_id, size, asked, Content.BLANK, spec.properties, zeroed=True)
        fresh = self._file(volume_id).with_suffix(".new")
        fresh.touch()
        os.setxattr(fresh, KEY, msgspec.json.encode(volume))
        fresh.rename(self._file(volume_id))
        os.truncate(self._file(volume_id), size)
        return volume
