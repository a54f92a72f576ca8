"""Images into volumes and back over a connected device: the size and the digest decide."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, RawIOBase
from typing import cast

import pytest

from drivers.errors import InUse, Invalid, OutOfRange, Precondition, StorageError, Unavailable
from drivers.exec import Host
from drivers.images import CHUNK
from drivers.model import MIB, Connection, Content, Image, SizeRange, Volume, VolumeId, VolumeSpec
from tests.fakes.memory import MemoryDriver, MemoryOptions

DATA = bytes(range(256)) * 5000 + b"\0" * MIB + b"end"
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def driver() -> Iterator[MemoryDriver]:
    made = MemoryDriver("memory", MemoryOptions(), Host())
    made.do_setup()
    yield made
    made.close()


@pytest.fixture
def volume(driver: MemoryDriver) -> Volume:
    return driver.create_volume(VolumeSpec("v", SizeRange(8 * MIB)))


def put(
    driver: MemoryDriver, volume: Volume, data: bytes, size: int = len(DATA), digest: str = DIGEST
) -> Image:
    return driver.copy_image_to_volume(volume.id, BytesIO(data), size, digest)


def content(driver: MemoryDriver, volume: Volume) -> bytes:
    connection = driver.initialize_connection(volume.id)
    try:
        return connection.path.read_bytes()
    finally:
        driver.terminate_connection(volume.id)


def test_an_image_goes_in_byte_by_byte_and_comes_out(driver: MemoryDriver, volume: Volume) -> None:
    assert put(driver, volume, DATA) == Image(len(DATA), DIGEST)
    whole = DATA + bytes(volume.size - len(DATA))
    assert content(driver, volume) == whole
    assert driver.get_volume(volume.id).content is Content.FORMATTED
    out = BytesIO()
    read = driver.copy_volume_to_image(volume.id, out)
    assert read == Image(volume.size, hashlib.sha256(whole).hexdigest())
    assert out.getvalue() == whole


@pytest.mark.parametrize(
    ("data", "size", "digest"),
    [
        (DATA[:-1], len(DATA), DIGEST),
        (DATA + b"x", len(DATA), DIGEST),
        (b"", len(DATA), DIGEST),
        (DATA[:-1] + b"x", len(DATA), DIGEST),
        (DATA, len(DATA), "0" * 64),
        (DATA, len(DATA), ""),
        (DATA, len(DATA) - 1, DIGEST),
    ],
    ids=["short", "long", "empty", "other bytes", "other digest", "no digest", "other size"],
)
def test_a_stream_that_is_not_the_image_is_invalid_and_the_volume_not_formatted(
    driver: MemoryDriver, volume: Volume, data: bytes, size: int, digest: str
) -> None:
    with pytest.raises(Invalid, match="nothing of it is used"):
        put(driver, volume, data, size, digest)
    assert driver.get_volume(volume.id).content is Content.FORMATTING
    put(driver, volume, DATA)
    assert driver.get_volume(volume.id).content is Content.FORMATTED


def test_a_digest_may_be_in_capitals(driver: MemoryDriver, volume: Volume) -> None:
    assert put(driver, volume, DATA, digest=DIGEST.upper()).sha256 == DIGEST


def test_an_image_of_exactly_the_volumes_size_fits(driver: MemoryDriver, volume: Volume) -> None:
    data = b"x" * volume.size
    digest = hashlib.sha256(data).hexdigest()
    assert put(driver, volume, data, volume.size, digest).size == volume.size


def test_a_stream_longer_than_the_volume_does_not_write_past_the_image(
    driver: MemoryDriver, volume: Volume
) -> None:
    with pytest.raises(Invalid):
        put(driver, volume, b"x" * (9 * MIB), MIB, "0" * 64)
    assert len(content(driver, volume)) == volume.size


def test_a_volume_that_is_too_small_is_not_written(driver: MemoryDriver, volume: Volume) -> None:
    with pytest.raises(OutOfRange, match="make it larger"):
        put(driver, volume, DATA, volume.size + 1)
    assert content(driver, volume) == bytes(volume.size)
    assert driver.get_volume(volume.id).content is Content.BLANK


@pytest.mark.parametrize(
    "held", [each for each in Content if each not in (Content.BLANK, Content.FORMATTING)]
)
def test_a_volume_that_holds_data_is_not_written(
    driver: MemoryDriver, volume: Volume, held: Content
) -> None:
    driver.set_content(volume.id, held)
    with pytest.raises(Precondition, match="an image needs an empty volume"):
        put(driver, volume, DATA)
    assert content(driver, volume) == bytes(volume.size)
    assert driver.get_volume(volume.id).content is held


def test_zeros_of_an_image_are_written_over_what_was_there(
    driver: MemoryDriver, volume: Volume
) -> None:
    with pytest.raises(Invalid):
        put(driver, volume, b"x" * len(DATA))
    zeros = bytes(len(DATA))
    put(driver, volume, zeros, digest=hashlib.sha256(zeros).hexdigest())
    assert content(driver, volume) == bytes(volume.size)


class Broken(RawIOBase):
    """A stream that ends in an error after its first chunk."""

    def __init__(self) -> None:
        self.reads = 0

    def read(self, size: int = -1) -> bytes:
        self.reads += 1
        if self.reads > 1:
            raise ConnectionError("the sender is gone")
        return b"x" * min(size, CHUNK)


def test_a_stream_that_breaks_leaves_nothing_connected(
    driver: MemoryDriver, volume: Volume
) -> None:
    with pytest.raises(ConnectionError):
        driver.copy_image_to_volume(volume.id, cast(BytesIO, Broken()), 8 * MIB, DIGEST)
    assert driver.get_volume(volume.id).content is Content.FORMATTING
    driver.delete_volume(volume.id)
    with pytest.raises(StorageError):
        driver.get_volume(volume.id)


class Used(MemoryDriver):
    """Somebody has the device open, or opens it while it is read."""

    user = "nobody"

    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        connection = super().initialize_connection(volume_id)
        self.user = "a late one" if self.user == "nobody" else self.user
        return connection

    def terminate_connection(self, volume_id: VolumeId) -> None:
        if self.user != "nobody":
            raise InUse(f"volume {volume_id} is open by {self.user}")
        super().terminate_connection(volume_id)


@pytest.fixture
def used() -> Iterator[Used]:
    made = Used("memory", MemoryOptions(), Host())
    made.do_setup()
    yield made
    made.close()


def test_a_volume_in_use_is_neither_read_nor_written(used: Used) -> None:
    volume = used.create_volume(VolumeSpec("v", SizeRange(8 * MIB)))
    used.user, out = "a pod", BytesIO()
    with pytest.raises(InUse, match="a pod"):
        used.copy_volume_to_image(volume.id, out)
    assert out.getvalue() == b""
    with pytest.raises(InUse, match="a pod"):
        put(used, volume, DATA)
    assert used.get_volume(volume.id).content is Content.BLANK


def test_what_a_copy_came_to_is_told_even_if_the_device_is_opened_meanwhile(used: Used) -> None:
    volume = used.create_volume(VolumeSpec("v", SizeRange(8 * MIB)))
    assert put(used, volume, DATA) == Image(len(DATA), DIGEST)
    used.user = "nobody"
    other = used.create_volume(VolumeSpec("w", SizeRange(8 * MIB)))
    with pytest.raises(Invalid, match="nothing of it is used"):
        put(used, other, DATA, digest="0" * 64)
    used.user = "nobody"
    assert used.copy_volume_to_image(volume.id, BytesIO()).size == volume.size


class Elsewhere(MemoryDriver):
    """Its path has come to lead to something else."""

    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        return replace(super().initialize_connection(volume_id), dm_uuid="LVM-of-the-volume")


def test_another_device_is_neither_written_nor_read() -> None:
    driver = Elsewhere("memory", MemoryOptions(), Host())
    driver.do_setup()
    volume = driver.create_volume(VolumeSpec("v", SizeRange(8 * MIB)))
    with pytest.raises(Unavailable, match="device-mapper UUID"):
        put(driver, volume, DATA)
    assert not content(driver, volume).strip(b"\0")
    with pytest.raises(Unavailable, match="device-mapper UUID"):
        driver.copy_volume_to_image(volume.id, BytesIO())
    driver.close()
