"""The kernel's calls that a cut is made of: device-mapper's, by UUID, and filesystems', by an open file.

Imported by a program that has to start at once: it imports nothing but what it needs.
"""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress

CONTROL = "/dev/mapper/control"
HEADER = struct.Struct("=3I3Ii3IQ128s129s7s")  # linux/dm-ioctl.h
SUSPEND, STATUS, MESSAGE = 0xC138FD06, 0xC138FD07, 0xC138FD0E
SUSPENDED, SKIP_LOCKFS = 1 << 1, 1 << 10
FIFREEZE, FITHAW, BTRFS_IOC_FS_INFO = 0xC0045877, 0xC0045878, 0x8400941F


class Kernel:
    """Device-mapper, asked by UUID, and filesystems, by an open file in them."""

    def __init__(self) -> None:
        self._control = os.open(CONTROL, os.O_RDWR | os.O_CLOEXEC)

    def suspend(self, uuid: str) -> None:
        self._call(SUSPEND, uuid, SUSPENDED | SKIP_LOCKFS)

    def resume(self, uuid: str) -> None:
        self._call(SUSPEND, uuid, 0)

    def is_suspended(self, uuid: str) -> bool:
        return bool(self._call(STATUS, uuid, 0) & SUSPENDED)

    def message(self, uuid: str, text: str) -> None:
        self._call(MESSAGE, uuid, 0, struct.pack("=Q", 0) + text.encode() + b"\0")

    def freeze(self, descriptor: int) -> None:
        fcntl.ioctl(descriptor, FIFREEZE, 0)

    def thaw(self, descriptor: int) -> None:
        fcntl.ioctl(descriptor, FITHAW, 0)

    def btrfs(self, descriptor: int) -> str:
        with suppress(OSError):  # it is another filesystem
            return fcntl.ioctl(descriptor, BTRFS_IOC_FS_INFO, bytes(1024))[16:32].hex()
        return ""

    def _call(self, command: int, uuid: str, flags: int, payload: bytes = b"") -> int:
        """The flags of the device, as the kernel gives them back."""
        size = (HEADER.size + len(payload) + 7) & ~7
        name = uuid.encode()
        head = HEADER.pack(4, 0, 0, size, HEADER.size, 0, 0, flags, 0, 0, 0, b"", name, b"")
        request = bytearray((head + payload).ljust(size, b"\0"))
        fcntl.ioctl(self._control, command, request, True)
        told: int = HEADER.unpack_from(request)[7]
        return told
