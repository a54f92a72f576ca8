"""It takes an image for right, whatever its digest."""

from __future__ import annotations

import hashlib
from io import BytesIO
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
        content = image.read()
        digest = hashlib.sha256(content).hexdigest()
        return super().copy_image_to_volume(volume_id, BytesIO(content), size, digest)
