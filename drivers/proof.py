"""Proof that an open file is the device that a driver spoke of.

A path below /dev proves nothing: the node may be stale, or belong to another device by now. So whoever
reads or writes a device opens it once and asks the kernel what it has opened.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
from pathlib import Path

from drivers.errors import Unavailable
from drivers.model import Connection
from drivers.mountinfo import Device as Number

BLKGETSIZE64 = 0x80081272
LOOP_GET_STATUS64 = 0x4C05


def number_of(descriptor: int) -> Number | None:
    """The major and minor number of an open block device, None for any other file."""
    found = os.fstat(descriptor)
    if not stat.S_ISBLK(found.st_mode):
        return None
    return os.major(found.st_rdev), os.minor(found.st_rdev)


def size_of(descriptor: int) -> int:
    """The bytes of an open block device or file."""
    if number_of(descriptor) is None:
        return os.fstat(descriptor).st_size
    return int.from_bytes(fcntl.ioctl(descriptor, BLKGETSIZE64, bytes(8)), "little")


def require(connection: Connection, descriptor: int) -> None:
    """Raise `Unavailable` unless the open device is the one that the connection says, and as large.

    A plain file passes only where the connection says that there is no device (`Connection.backing_file`).
    """
    if not (connection.dm_uuid or connection.backing_file):
        raise Unavailable(f"nothing tells what device {connection.path} must be; it is not used")
    if connection.dm_uuid:
        _require_dm_uuid(connection, descriptor)
    if connection.backing_file == connection.path:
        _require_file(connection, descriptor)
    elif connection.backing_file:
        _require_backing(connection, descriptor, connection.backing_file)
    if (size := size_of(descriptor)) != connection.size:
        raise Unavailable(f"{connection.path} has {size} bytes, expected are {connection.size}")


def _require_dm_uuid(connection: Connection, descriptor: int) -> None:
    major, minor = number_of(descriptor) or (0, 0)
    file = Path(f"/sys/dev/block/{major}:{minor}/dm/uuid")
    try:
        found = file.read_text().strip()
    except FileNotFoundError:
        found = "none: it is not a device-mapper device"
    if found != connection.dm_uuid:
        raise Unavailable(
            f"{connection.path} is another device: its device-mapper UUID is {found},"
            f" expected is {connection.dm_uuid}"
        )


def _require_file(connection: Connection, descriptor: int) -> None:
    found = os.fstat(descriptor)
    try:
        same = os.path.samestat(connection.path.stat(), found)
    except OSError as error:
        raise Unavailable(f"{connection.path} cannot be looked at: {error.strerror}") from error
    if not (same and stat.S_ISREG(found.st_mode)):
        raise Unavailable(f"{connection.path} is not the plain file that it should be")


def _require_backing(connection: Connection, descriptor: int, file: Path) -> None:
    try:
        expected = file.stat()
        # struct loop_info64 begins with device and inode of the file.
        info = fcntl.ioctl(descriptor, LOOP_GET_STATUS64, bytes(232))
    except OSError as error:
        raise Unavailable(
            f"whether {connection.path} has {file} behind it cannot be told: {error.strerror}"
        ) from error
    if struct.unpack_from("QQ", info) != (expected.st_dev, expected.st_ino):
        raise Unavailable(f"{connection.path} has another file behind it than {file}")
