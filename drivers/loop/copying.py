"""Copies of files: by sharing blocks where the filesystem can, otherwise byte by byte.

Both keep holes, so that a copy takes no more room than its source. Both end with the data durable.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from drivers.model import MIB

FICLONE = 0x40049409  # linux/fs.h
STEP = 32 * MIB
NO_REFLINK = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.EXDEV, errno.ENOSYS)

Advance = Callable[[int], None]
"""Called with the bytes done so far; what it raises ends the copy."""


def create(target: Path, size: int) -> None:
    """Make a file of ``size`` bytes that reads as zeros."""
    with target.open("xb") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def grow(target: Path, size: int) -> None:
    """Let the file have ``size`` bytes; the new ones read as zeros."""
    with target.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def share(source: Path, target: Path, size: int) -> None:
    """Make ``target`` with the source's blocks, at one moment, and zeros up to ``size`` bytes.

    The kernel holds writers off meanwhile and has flushed what they wrote. Raises `OSError` where
    the filesystem has no reflinks.
    """
    with source.open("rb") as old, target.open("xb") as new:
        fcntl.ioctl(new.fileno(), FICLONE, old.fileno())
        new.truncate(size)
        os.fsync(new.fileno())


def copy(source: Path, target: Path, size: int, advance: Advance) -> None:
    """Make ``target`` with the source's bytes and zeros up to ``size``; nobody may write meanwhile."""
    with source.open("rb") as old, target.open("xb") as new:
        new.truncate(size)
        for begin, end in _data(old.fileno()):
            _copy_range(old.fileno(), new.fileno(), begin, end, advance)
        os.fsync(new.fileno())


def can_share(folder: Path) -> bool:
    """Whether the filesystem of ``folder`` has reflinks, by trying with two files without names."""
    with _nameless(folder) as source, _nameless(folder) as target:
        os.truncate(source, MIB)
        try:
            fcntl.ioctl(target, FICLONE, source)
        except OSError as e:
            if e.errno in NO_REFLINK:
                return False
            raise
    return True


@contextmanager
def _nameless(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _data(descriptor: int) -> Iterator[tuple[int, int]]:
    """The begin and end of each stretch that is no hole."""
    end = 0
    while True:
        try:
            begin = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as e:
            if e.errno == errno.ENXIO:  # nothing but a hole up to the end
                return
            raise
        end = os.lseek(descriptor, begin, os.SEEK_HOLE)
        yield begin, end


def _copy_range(old: int, new: int, begin: int, end: int, advance: Advance) -> None:
    while begin < end:
        advance(begin)
        done = os.copy_file_range(old, new, min(STEP, end - begin), begin, begin)
        if not done:
            raise OSError(errno.EIO, "the source ended before its size")
        begin += done
