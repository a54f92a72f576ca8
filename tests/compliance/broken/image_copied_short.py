"""The last sector of an image never arrives."""

from __future__ import annotations

from typing import BinaryIO

from broken.right import RightDriver

from drivers import interface
from drivers.model import Image, VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def copy_image_to_volume(
        self, volume_id: VolumeId, image: BinaryIO, size: int, sha256: str
    ) -> Image:
        written = super().copy_image_to_volume(volume_id, image, size, sha256)
        with self._file(volume_id).open("r+b") as file:
            file.seek(size - 512)
            file.write(bytes(512))
        return written
