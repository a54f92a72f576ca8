"""Files and folders that survive a power cut, and locks that do not survive their holder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from drivers.errors import Busy


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: Path, content: bytes) -> None:
    """Replace ``path`` as a whole: whoever looks, also after a crash, sees the old text or the new."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    sync_folder(path.parent)


def write_once(path: Path, content: bytes) -> None:
    """Make ``path`` unless it exists; of several who try, one succeeds and nobody sees a part."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    write_file(fresh, content)
    with suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()
    sync_folder(path.parent)


def discard(folder: Path) -> None:
    """Remove a folder of plain files; somebody else may be doing the same."""
    with suppress(FileNotFoundError):
        empty(folder)
        folder.rmdir()


def empty(folder: Path) -> None:
    """Remove the plain files in ``folder``."""
    for file in folder.iterdir():
        file.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path, *, shared: bool = False) -> Iterator[Callable[[], bool]]:
    """Hold the lock of ``folder``, which the kernel gives back when its holder dies.

    Gives a question to ask later: is the folder still where it was? Raises `Busy` if somebody has the
    lock, or moved the folder away meanwhile.
    """
    busy = Busy(f"another operation on {folder.name} is running; ask again")
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise busy from None
    try:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            raise busy from None
        if not _is_at(descriptor, folder):
            raise busy
        yield partial(_is_at, descriptor, folder)
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, folder: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), folder.stat())
    return False
