"""What a filesystem's superblock says of itself: whether it wants a repair, and how large it is.

Read from the bytes and not by the filesystems' own checkers: those take minutes for a large volume, and
take a journal that is only waiting to be replayed for damage. Layouts: ``struct ext4_super_block``
(1,024 bytes into the device), ``struct xfs_dsb`` (at 0, big-endian), ``struct btrfs_super_block`` (at
64 KiB) in the kernel's sources.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType

from drivers.model import FsType

Read = Callable[[int, int], bytes]
"""Bytes of the device from an offset; exactly as many as asked for."""

EXT4_ERRORS, EXT4_64BIT = 0x2, 0x80
XFS_VERSION_5, XFS_NEEDS_REPAIR = 5, 0x10


def complaint(fs_type: FsType, read: Read, size: int) -> str:
    """Why the filesystem on a device of ``size`` bytes should not be used; empty if nothing is known."""
    return _CHECKS[fs_type](read, size)


def _ext4(read: Read, size: int) -> str:
    block = read(1024, 1024)
    low, shift = _at("<I", block, 4), _at("<I", block, 24)
    high = _at("<I", block, 336) if _at("<I", block, 96) & EXT4_64BIT else 0
    if _at("<H", block, 58) & EXT4_ERRORS:
        return "its ext4 has recorded errors: repair it with e2fsck -f"
    return _larger("ext4", ((high << 32) + low) * (1024 << shift), size)


def _xfs(read: Read, size: int) -> str:
    block = read(0, 512)
    is_new = _at(">H", block, 100) & 0xF == XFS_VERSION_5
    if is_new and _at(">I", block, 216) & XFS_NEEDS_REPAIR:
        return "its xfs asks for a repair: run xfs_repair"
    return _larger("xfs", _at(">I", block, 4) * _at(">Q", block, 8), size)


def _btrfs(read: Read, size: int) -> str:
    block = read(65536, 4096)
    if (devices := _at("<Q", block, 0x88)) != 1:
        return f"its btrfs lies on {devices} devices, of which this is one"
    return _larger("btrfs", _at("<Q", block, 0xD1), size)


def _larger(name: str, told: int, size: int) -> str:
    if told <= size:
        return ""
    return f"its {name} has {told} bytes, of which only {size} are there: it was cut off"


def _at(form: str, block: bytes, offset: int) -> int:
    (value,) = struct.unpack_from(form, block, offset)
    return int(value)


_CHECKS: Mapping[FsType, Callable[[Read, int], str]] = MappingProxyType(
    {FsType.EXT4: _ext4, FsType.XFS: _xfs, FsType.BTRFS: _btrfs}
)
