"""Files that have no name, as the devices of volumes that live in memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from drivers.model import MIB


class Anonymous:
    """A sparse file in memory that a path leads to; it ends with this object."""

    def __init__(self, size: int) -> None:
        self._descriptor = os.memfd_create("volume", os.MFD_CLOEXEC)
        os.ftruncate(self._descriptor, size)

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def path(self) -> Path:
        """A path that opens it, in this process."""
        return Path(f"/proc/self/fd/{self._descriptor}")

    def copy(self, size: int) -> Anonymous:
        """Its first ``size`` bytes and zeros beyond them; holes stay holes."""
        made = Anonymous(size)
        for begin, end in self._data():
            at = begin
            while at < min(end, size):
                chunk = os.pread(self._descriptor, min(MIB, end - at, size - at), at)
                at += os.pwrite(made._descriptor, chunk, at)
        return made

    def _data(self) -> Iterator[tuple[int, int]]:
        end = 0
        while True:
            try:
                begin = os.lseek(self._descriptor, end, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole is left
                return
            end = os.lseek(self._descriptor, begin, os.SEEK_HOLE)
            yield begin, end
