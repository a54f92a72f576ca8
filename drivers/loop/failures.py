"""Where the kernel's words become ours."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.errors import Exhausted, OutOfRange, Unavailable


@contextmanager
def renamed() -> Iterator[None]:
    """Raise an error of the operating system as one of `drivers.errors`."""
    try:
        yield
    except OSError as e:
        raise _named(e) from e


def _named(e: OSError) -> Exception:
    said = f"{e.filename}: {e.strerror}" if e.filename else str(e)
    if e.errno in (errno.ENOSPC, errno.EDQUOT):
        return Exhausted(f"the filesystem of the backend is full ({said}): make room on it")
    if e.errno == errno.EFBIG:
        return OutOfRange(f"the filesystem of the backend has no files of that size ({said})")
    return Unavailable(f"the backend's directory cannot be used ({said})")
