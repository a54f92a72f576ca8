"""Reading and writing the blocks of a device that was proven to be the right one.

Zeroing is the kernel's BLKZEROOUT (what ``blkdiscard -z`` does), in pieces, so that it can stop between
two of them and tell how far it is.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.errors import InUse, Unavailable
from drivers.model import MIB, Connection
from drivers.signatures import look

BLKDISCARD, BLKZEROOUT = 0x1277, 0x127F
PIECE = 64 * MIB
CHUNK = 4 * MIB

__all__ = ["Tick", "copy", "discard", "look", "opened", "untold", "zero"]

Tick = Callable[[int], None]
"""Called with the bytes that are done; may raise to stop."""


def untold(_done: int) -> None:
    """The tick of who does not want to know."""


@contextmanager
def opened(connection: Connection, *, write: bool = False) -> Iterator[int]:
    """A descriptor of the device, checked to be the one that ``connection`` means.

    Writing is exclusive: raises `InUse` if the device is mounted or otherwise taken.
    """
    # Without O_CREAT, O_EXCL on a block device means: nobody else may have claimed it.
    flags = os.O_RDWR | os.O_EXCL if write else os.O_RDONLY
    try:
        descriptor = os.open(connection.path, flags | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise InUse(f"{connection.path} is in use") from error
        raise Unavailable(f"{connection.path} cannot be opened: {error.strerror}") from error
    try:
        _check(descriptor, connection)
        yield descriptor
    except OSError as error:
        raise Unavailable(f"{connection.path}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def zero(descriptor: int, start: int, length: int, tick: Tick = untold) -> None:
    """Make ``length`` bytes from ``start`` read as zeros, on the disk."""
    _pieces(BLKZEROOUT, descriptor, start, length, tick)


def discard(descriptor: int, start: int, length: int, tick: Tick = untold) -> None:
    """Tell the disk that nobody needs these bytes; what they read as then is the disk's choice."""
    _pieces(BLKDISCARD, descriptor, start, length, tick)


def copy(source: int, target: int, length: int, tick: Tick = untold) -> None:
    """Copy the first ``length`` bytes, zeros too, and have them on the disk before this returns."""
    done = 0
    while done < length:
        chunk = os.pread(source, min(CHUNK, length - done), done)
        if not chunk:
            raise Unavailable(f"the source of the copy ends after {done} of {length} bytes")
        _write(target, chunk, done)
        done += len(chunk)
        tick(done)
    os.fsync(target)


def _write(target: int, chunk: bytes, at: int) -> None:
    view = memoryview(chunk)
    while view:
        count = os.pwrite(target, view, at)
        view, at = view[count:], at + count


def _pieces(command: int, descriptor: int, start: int, length: int, tick: Tick) -> None:
    for at in range(0, length, PIECE):
        piece = min(PIECE, length - at)
        fcntl.ioctl(descriptor, command, struct.pack("=QQ", start + at, piece))
        tick(at + piece)


def _check(descriptor: int, connection: Connection) -> None:
    number = os.fstat(descriptor).st_rdev
    where = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/dm/uuid")
    found = where.read_text().strip() if where.exists() else ""
    if found != connection.dm_uuid:
        raise Unavailable(
            f"{connection.path} is {found or 'no device-mapper device'}, not {connection.dm_uuid}"
        )
