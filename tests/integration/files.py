"""Files in a mounted volume: what was acknowledged, and whether it is there with the right bytes."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from drivers.model import KIB


def content(name: str, size: int = 64 * KIB) -> bytes:
    """The bytes of the file of that name: others for each name, the same each time."""
    return Random(name).randbytes(size)  # noqa: S311 - to be repeated, not to be secret


def write(folder: Path, name: str, size: int = 64 * KIB) -> None:
    """Write a file so that it survives whatever happens after this returns."""
    with (folder / name).open("xb") as file:
        file.write(content(name, size))
        file.flush()
        os.fsync(file.fileno())
    # The name is in the directory, which is a file of its own.
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def digest(path: Path) -> str:
    """SHA-256 of a file or a device."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def room(path: Path) -> int:
    """The bytes of the filesystem that ``path`` is in."""
    found = os.statvfs(path)
    return found.f_blocks * found.f_frsize


@dataclass
class Writer:
    """Writes files one after the other, and remembers when each was acknowledged."""

    folder: Path
    acknowledged: list[tuple[str, float]] = field(default_factory=list)
    failure: OSError | None = None
    _end: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Write until told to end."""
        try:
            while not self._end.is_set():
                name = f"file-{len(self.acknowledged)}"
                write(self.folder, name, 8 * KIB)
                self.acknowledged.append((name, time.monotonic()))
                self._end.wait(0.01)
        except OSError as error:
            self.failure = error

    def end(self) -> None:
        """Make it end after the present file."""
        self._end.set()

    def before(self, moment: float) -> list[str]:
        """The files that were acknowledged before a moment."""
        return [name for name, when in self.acknowledged if when < moment]


@contextmanager
def writing(folder: Path) -> Iterator[Writer]:
    """For the block, write into ``folder``; afterwards no write may have failed."""
    writer = Writer(folder)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        yield writer
    finally:
        writer.end()
        thread.join()
    assert writer.failure is None


def wrong(folder: Path, names: list[str], size: int = 8 * KIB) -> list[str]:
    """Those of the files that are absent or hold other bytes than were acknowledged."""
    return [
        name
        for name in names
        if not (folder / name).exists() or (folder / name).read_bytes() != content(name, size)
    ]
