"""Copying an image into a volume and back, once for all drivers, over the connected device.

The raw stream is hashed on its way and success is only said for the digest that was asked for. Blocks
of zeros are written like all others: the device is only skipped over where it is known to be zero, and
this code does not know that.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from drivers import proof
from drivers.errors import Invalid, OutOfRange, Precondition, StorageError
from drivers.model import MIB, Content, Image, VolumeId

if TYPE_CHECKING:
    from drivers.interface.volume import VolumeDriver

log = logging.getLogger(__name__)

CHUNK = 4 * MIB


def write_image(
    driver: VolumeDriver, volume_id: VolumeId, image: BinaryIO, *, size: int, sha256: str
) -> Image:
    """See `VolumeDriver.copy_image_to_volume`.

    A stream that turns out wrong leaves the volume FORMATTING: it holds part of an image, nobody has
    used it, and the next copy or mkfs starts over.
    """
    volume = driver.get_volume(volume_id)
    if volume.content not in (Content.BLANK, Content.FORMATTING):
        raise Precondition(f"volume {volume_id} holds data already; an image needs an empty volume")
    if size > volume.size:
        raise OutOfRange(
            f"the image has {size} bytes, volume {volume_id} only {volume.size}: make it larger"
        )
    with _connected(driver, volume_id, "r+b") as device:
        driver.set_content(volume_id, Content.FORMATTING)
        written = _copy_in(device, image, size)
    if written != Image(size, sha256.lower()):
        raise Invalid(
            f"the image has {written.size} bytes with SHA-256 {written.sha256},"
            f" not {size} bytes with {sha256}: nothing of it is used"
        )
    driver.set_content(volume_id, Content.FORMATTED)
    return written


def read_image(driver: VolumeDriver, volume_id: VolumeId, image: BinaryIO) -> Image:
    """See `VolumeDriver.copy_volume_to_image`."""
    digest, total = hashlib.sha256(), 0
    with _connected(driver, volume_id, "rb") as device:
        while chunk := device.read(CHUNK):
            digest.update(chunk)
            image.write(chunk)
            total += len(chunk)
    return Image(total, digest.hexdigest())


@contextmanager
def _connected(driver: VolumeDriver, volume_id: VolumeId, mode: str) -> Iterator[BinaryIO]:
    # Raises `InUse` while somebody has it open: a copy of what moves would be torn.
    driver.terminate_connection(volume_id)
    connection = driver.initialize_connection(volume_id)
    try:
        # Opened as it is: not made if it is missing, nor cut to nothing.
        with connection.path.open(mode, 0) as device:
            proof.require(connection, device.fileno())
            yield cast(BinaryIO, device)
    finally:
        _disconnect(driver, volume_id)


def _disconnect(driver: VolumeDriver, volume_id: VolumeId) -> None:
    # Whoever opened it meanwhile keeps it, and a device that stays harms nobody: what the copy came to
    # is what its caller must hear.
    try:
        driver.terminate_connection(volume_id)
    except StorageError as error:
        log.warning("volume %s stays connected after its image was copied: %s", volume_id, error)


def _copy_in(device: BinaryIO, image: BinaryIO, size: int) -> Image:
    digest, total = hashlib.sha256(), 0
    # One byte more is asked for, so that a stream that is too long is seen.
    while chunk := image.read(min(CHUNK, size + 1 - total)):
        digest.update(chunk)
        total += len(chunk)
        if total > size:
            break
        _write_all(device.fileno(), chunk)
    os.fsync(device.fileno())
    return Image(total, digest.hexdigest())


def _write_all(descriptor: int, chunk: bytes) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
