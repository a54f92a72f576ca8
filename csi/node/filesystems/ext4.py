"""ext4."""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID

from csi.node.devices import Device
from csi.node.filesystems.base import Filesystem
from drivers.errors import CommandFailed, Precondition
from drivers.model import FsType

SUPERBLOCK = 1024
MAGIC = 0xEF53

# e2fsck(8): the exit status is a sum.
CORRECTED = 1
UNCORRECTED = 4

# _IOW('f', 16, __u64)
EXT4_IOC_RESIZE_FS = 0x40086610

# Nothing is written that is zeros already, by mkfs or by the kernel after the first mount: saves 99 %
# of the space that a fresh filesystem takes in a thin pool.
ON_ZEROS = "nodiscard,lazy_itable_init=1,lazy_journal_init=1,assume_storage_prezeroed=1"
# What an ext4 before left in inode tables and journal must be gone before anything reads them: e2fsck
# takes old inodes for new ones as soon as one group's checksum is damaged.
ON_ANYTHING = "nodiscard,lazy_itable_init=0,lazy_journal_init=0"
# A new UUID is then one write instead of all checksums anew.
CHEAP_UUID = "metadata_csum_seed"


class Ext4(Filesystem):
    """ext4, which is checked before every mount."""

    fs_type = FsType.EXT4
    mount_options: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "discard": "",
            "nodiscard": "",
            "commit": r"\d{1,4}",
            "data": "ordered|writeback|journal",
            "errors": "continue|remount-ro",
            "barrier": "1",
            "delalloc": "",
            "nodelalloc": "",
            "auto_da_alloc": "",
            "noauto_da_alloc": "",
            "stripe": r"\d{1,8}",
            "user_xattr": "",
            "acl": "",
        }
    )

    untold = frozenset(
        {"nodiscard", "data", "errors", "barrier", "delalloc", "auto_da_alloc", "user_xattr", "acl"}
    )

    def make(self, device: Device, options: Sequence[str], *, zeros: bool) -> None:
        """See `Filesystem.make`."""
        plain, extended, features = _split(options)
        extended = [ON_ZEROS if zeros else ON_ANYTHING, *extended]
        if "metadata_csum" not in ",".join(features):
            features = [CHEAP_UUID, *features]
        # After an error, better no writes than wrong ones; no blocks kept back for root.
        argv = ["mkfs.ext4", "-F", "-q", "-e", "remount-ro", "-m", "0", *plain]
        self.tool(device, *argv, "-E", ",".join(extended), "-O", ",".join(features))

    def check(self, device: Device) -> None:
        """See `Filesystem.check`. An interrupted online resize does not mount without it."""
        self._fsck(device, "-p")

    def uuid(self, device: Device) -> UUID:
        """See `Filesystem.uuid`."""
        block = device.read(SUPERBLOCK, 1024)
        if struct.unpack_from("<H", block, 0x38) != (MAGIC,):
            raise Precondition(f"{device.path} has no ext4 superblock")
        return UUID(bytes=block[0x68:0x78])

    def change_uuid(self, device: Device) -> None:
        """See `Filesystem.change_uuid`."""
        self._fsck(device, "-fp")  # tune2fs wants a filesystem that was just checked
        self.tool(device, "tune2fs", "-U", "random")

    def _resize(self, descriptor: int, device: Device) -> None:
        block_size = os.fstatvfs(descriptor).f_frsize
        block = device.read(SUPERBLOCK, 1024)
        (low,), (high,) = struct.unpack_from("<I", block, 4), struct.unpack_from("<I", block, 0x150)
        if (wanted := device.size // block_size) > (high << 32 | low):
            fcntl.ioctl(descriptor, EXT4_IOC_RESIZE_FS, struct.pack("Q", wanted))

    def _fsck(self, device: Device, how: str) -> None:
        try:
            self.tool(device, "e2fsck", how, ok=(0, CORRECTED))
        except CommandFailed as error:
            if error.code < 0 or not error.code & UNCORRECTED:
                raise
            raise Precondition(
                f"the ext4 on {device.path} has damage that e2fsck -p does not repair; it is not"
                f" mounted: repair it by hand with e2fsck, or restore a snapshot ({error})"
            ) from error


def _split(options: Sequence[str]) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    # mke2fs heeds only the last -E and the last -O, so ours and theirs become one.
    pairs = list(zip(options[::2], options[1::2], strict=True))
    plain = [word for pair in pairs if pair[0] not in ("-E", "-O") for word in pair]
    extended = [value for option, value in pairs if option == "-E"]
    return plain, extended, [value for option, value in pairs if option == "-O"]
