"""Block devices that are open and proven to be what a driver said they are.

A path below /dev proves nothing: the node may be stale, or belong to another device by now. So the
device is opened once, the open descriptor is compared with what the kernel says of it, and programs
get that descriptor instead of the path.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivers import signatures
from drivers.errors import Precondition, Unavailable
from drivers.exec import Run
from drivers.model import MIB, Connection
from drivers.mountinfo import Device as Number
from drivers.proof import number_of, require

BLKROSET = 0x125D


@dataclass(frozen=True, slots=True)
class Device:
    """An open block device. ``size`` is in bytes, ``number`` its major and minor."""

    path: Path
    descriptor: int
    number: Number
    size: int

    @property
    def link(self) -> str:
        """A path that leads to exactly this device, here and in a program that gets the descriptor."""
        return f"/proc/self/fd/{self.descriptor}"

    def read(self, offset: int, length: int) -> bytes:
        """Bytes as they are on the device now; raises `Unavailable` if they cannot be read."""
        # A filesystem writes past this cache while it is mounted.
        os.posix_fadvise(self.descriptor, offset, length, os.POSIX_FADV_DONTNEED)
        try:
            found = os.pread(self.descriptor, length, offset)
        except OSError as error:
            raise Unavailable(
                f"{self.path} cannot be read at {offset}: {error.strerror}"
            ) from error
        if len(found) != length:
            raise Unavailable(f"{self.path} ends at {offset + len(found)}, not at {self.size}")
        return found

    def set_read_only(self, *, read_only: bool) -> None:
        """Let the kernel refuse, or allow, whoever opens the device for writing."""
        try:
            fcntl.ioctl(self.descriptor, BLKROSET, struct.pack("i", read_only))
        except OSError as error:
            raise Unavailable(
                f"{self.path} cannot be made read-only or writable: {error.strerror}"
            ) from error

    def proven_path(self) -> str:
        """The path, if it still leads to this device; raises `Unavailable` otherwise."""
        try:
            node = os.open(self.path, os.O_PATH | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be opened: {error.strerror}") from error
        try:
            self.require_same(node)
        finally:
            os.close(node)
        return str(self.path)

    def require_same(self, descriptor: int) -> None:
        """Raise `Unavailable` unless the open file is a node of this device."""
        if number_of(descriptor) != self.number:
            raise Unavailable(f"{self.path} leads to another device than a moment ago; ask again")

    def require_free(self) -> None:
        """Raise `Precondition` if anything has the device for itself: a mount, mkfs, a RAID..."""
        try:
            os.close(os.open(self.link, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise Unavailable(f"{self.path} cannot be opened: {error.strerror}") from error
            raise Precondition(f"{self.path} is in use, by a mount or by a program on it") from None


@dataclass(frozen=True, slots=True)
class Signature:
    """What a device holds, as blkid names it."""

    type: str
    usage: str


@contextmanager
def opened(connection: Connection) -> Iterator[Device]:
    """The device of a connection, open for reading; raises `Unavailable` if it is not that device."""
    try:
        descriptor = os.open(connection.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise Unavailable(f"{connection.path} cannot be opened: {error.strerror}") from error
    try:
        yield _proven(connection, descriptor)
    finally:
        os.close(descriptor)


def signature(device: Device, run: Run) -> Signature | None:
    """What blkid finds on the device, None for nothing at all.

    Raises `Precondition` if it finds several things at once.
    """
    # Nothing is also told of a device that cannot be read, hence the proof of the device before and
    # `require_zeros` after.
    if (found := signatures.probe(device.descriptor, run)) is None:
        raise Precondition(
            f"{device.path} holds signatures of several things at once; look with wipefs --no-act"
        )
    if not found:
        return None
    kind = found.get("TYPE") or f"a partition table ({found.get('PTTYPE', 'of an unknown kind')})"
    return Signature(kind, found.get("USAGE", ""))


def require_zeros(device: Device) -> None:
    """Raise `Precondition` unless the first and the last MiB are zeros, as in a volume made empty."""
    length = min(MIB, device.size)
    for offset in (0, device.size - length):
        if device.read(offset, length).strip(b"\0"):
            raise Precondition(
                f"{device.path} has data between {offset} and {offset + length} although it was made"
                " empty; it is not formatted: look what wrote to it, then delete the volume"
            )


def _proven(connection: Connection, descriptor: int) -> Device:
    require(connection, descriptor)
    if (number := number_of(descriptor)) is None:
        raise Unavailable(f"{connection.path} is not a block device")
    return Device(connection.path, descriptor, number, connection.size)
