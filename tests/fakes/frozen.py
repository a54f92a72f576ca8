"""A kernel that keeps, as files beside the directories, which of them are frozen."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from drivers.lvm.ioctls import Kernel

FSID = "00112233-4455-6677-8899-aabbccddeeff"
"""The UUID of the btrfs that every directory is on, but for those that are gone."""


class Places(Kernel):
    """For processes that share them, as they share the kernel."""

    def __init__(self) -> None:
        self.is_broken = False

    @staticmethod
    def mark(place: Path) -> Path:
        """The file that is there while the directory is frozen."""
        return place.with_suffix(".frozen")

    def btrfs(self, descriptor: int) -> str:
        return "" if self._place(descriptor).name == "gone" else FSID.replace("-", "")

    def resume(self, uuid: str) -> None:
        os.write(1, f"{uuid} resumed\n".encode())

    def freeze(self, descriptor: int) -> None:
        try:
            self._mark(descriptor).touch(exist_ok=False)
        except FileExistsError:
            raise OSError(errno.EBUSY, "it is frozen") from None

    def thaw(self, descriptor: int) -> None:
        if self.is_broken:
            raise OSError(errno.EIO, "it does not thaw")
        try:
            self._mark(descriptor).unlink()
        except FileNotFoundError:
            raise OSError(errno.EINVAL, "it is not frozen") from None

    def _mark(self, descriptor: int) -> Path:
        return self.mark(self._place(descriptor))

    def _place(self, descriptor: int) -> Path:
        return Path(f"/proc/self/fd/{descriptor}").readlink()
