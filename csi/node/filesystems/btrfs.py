"""Btrfs."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID

from csi.node import detached
from csi.node.devices import Device
from csi.node.filesystems.base import Filesystem
from drivers.errors import Precondition
from drivers.model import MIB, FsType

SUPERBLOCK = 0x10000
SUPERBLOCK_SIZE = 4096
MAGIC = b"_BHRfS_M"

# _IOW(0x94, 3, struct btrfs_ioctl_vol_args), _IOW(0x94, 5, ...) and
# _IOWR(0x94, 30, struct btrfs_ioctl_dev_info_args)
BTRFS_IOC_RESIZE = 0x50009403
BTRFS_IOC_FORGET_DEV = 0x50009405
BTRFS_IOC_DEV_INFO = 0xD000941E
CONTROL = Path("/dev/btrfs-control")

SECTOR = 4096
# The kernel answers EINVAL below it, even for growing.
SMALLEST_GROWN = 256 * MIB


@dataclass(frozen=True, slots=True)
class Superblock:
    """What matters of the first superblock. ``log_root`` is not 0 while fsyncs wait for replay."""

    fsid: UUID
    log_root: int


class Btrfs(Filesystem):
    """Btrfs on one device. It needs no check before it is mounted."""

    fs_type = FsType.BTRFS
    mount_options: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "discard": "|sync|async",
            "nodiscard": "",
            "compress": r"|no|zlib(:[1-9])?|lzo|zstd(:\d{1,2})?",
            "compress-force": r"|zlib(:[1-9])?|lzo|zstd(:\d{1,2})?",
            "autodefrag": "",
            "noautodefrag": "",
            "commit": r"\d{1,4}",
            "datacow": "",
            "nodatacow": "",
            "datasum": "",
            "nodatasum": "",
            "max_inline": r"\d{1,6}[kK]?",
            "space_cache": "v2",
            "ssd": "",
            "nossd": "",
            "flushoncommit": "",
        }
    )

    untold = frozenset({"nodiscard", "noautodefrag", "datacow", "datasum", "discard", "max_inline"})

    def make(self, device: Device, options: Sequence[str], *, zeros: bool) -> None:
        """See `Filesystem.make`."""
        self.tool(device, "mkfs.btrfs", "-q", "-f", "-K", *options)

    def check(self, device: Device) -> None:
        """Nothing: a btrfs is consistent at every moment, and its repair is for experts."""

    def uuid(self, device: Device) -> UUID:
        """See `Filesystem.uuid`."""
        return superblock(device).fsid

    def change_uuid(self, device: Device) -> None:
        """See `Filesystem.change_uuid`."""
        if superblock(device).log_root:
            self._replay(device)
        if superblock(device).log_root:
            raise Precondition(
                f"the btrfs on {device.path} keeps a log that a mount did not replay"
            )
        self.tool(device, "btrfstune", "-m")

    def argument(self, device: Device) -> str:
        """See `Filesystem.argument`. Btrfs needs the true path, proven just before.

        Its programs tell the kernel the path they were given, which is then the name of the device in
        the mount table; two different devices called ``/proc/self/fd/5`` pass for the same one there.
        """
        return device.proven_path()

    def _resize(self, descriptor: int, device: Device) -> None:
        if device.size - _device_bytes(descriptor) < SECTOR:
            return
        if device.size < SMALLEST_GROWN:
            raise Precondition(
                f"a btrfs cannot be grown to less than {SMALLEST_GROWN} bytes, and {device.path} has"
                f" {device.size}: make the volume larger"
            )
        fcntl.ioctl(descriptor, BTRFS_IOC_RESIZE, _named(b"max"))

    def _replay(self, device: Device) -> None:
        # btrfstune exits with 0 on a filesystem with a log, and destroys it.
        fsid = superblock(device).fsid
        if Path("/sys/fs/btrfs", str(fsid)).exists():
            raise Precondition(
                f"the btrfs on {device.path} was copied while it was written to, and cannot be made"
                f" independent while a filesystem with its UUID {fsid} is mounted: stop the pods that"
                " use the source for a moment, or make a new snapshot"
            )
        _forget(b"")
        self.mounts.replay(detached.Filesystem("btrfs", device))
        _forget(os.fsencode(device.path))


def superblock(device: Device) -> Superblock:
    """The first superblock. Raises `Precondition` if there is none, or one with a wrong checksum."""
    block = device.read(SUPERBLOCK, SUPERBLOCK_SIZE)
    place, magic = struct.unpack_from("<Q8x8s", block, 48)
    if (place, magic) != (SUPERBLOCK, MAGIC):
        raise Precondition(f"{device.path} has no btrfs superblock")
    (checksum_type,) = struct.unpack_from("<H", block, 196)
    if checksum_type == 0 and crc32c(block[32:]) != int.from_bytes(block[:4], "little"):
        raise Precondition(f"the btrfs superblock of {device.path} is damaged: wrong checksum")
    return Superblock(UUID(bytes=block[32:48]), *struct.unpack_from("<Q", block, 96))


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC, which Python does not have."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _forget(path: bytes) -> None:
    # The kernel remembers each device that it saw a btrfs on, and takes a copy with the same UUID
    # for the same filesystem until the other is forgotten. An empty path: all that is not mounted.
    with suppress(FileNotFoundError), CONTROL.open("rb") as control:  # it remembers none
        fcntl.ioctl(control, BTRFS_IOC_FORGET_DEV, _named(path))


def _named(name: bytes) -> bytearray:
    # struct btrfs_ioctl_vol_args; Python passes more than 1,024 bytes only if they may be changed.
    return bytearray(struct.pack("q4088s", 0, name))


def _device_bytes(descriptor: int) -> int:
    """How much of its one device a mounted btrfs uses."""
    info = bytearray(struct.pack("Q4088x", 1))
    fcntl.ioctl(descriptor, BTRFS_IOC_DEV_INFO, info)
    return int(struct.unpack_from("Q", info, 32)[0])
