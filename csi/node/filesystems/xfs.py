"""XFS."""

from __future__ import annotations

import fcntl
import struct
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import ClassVar
from uuid import UUID

from csi.node import detached
from csi.node.devices import Device
from csi.node.filesystems.base import Filesystem
from drivers.errors import Precondition
from drivers.model import FsType

MAGIC = b"XFSB"

# _IOR('X', 100, struct xfs_fsop_geom_v1), _IOW('X', 110, struct xfs_growfs_data)
XFS_IOC_FSGEOMETRY_V1 = 0x80705864
XFS_IOC_FSGROWFSDATA = 0x4010586E


class Xfs(Filesystem):
    """XFS. Mounting it replays its log, and nothing ever repairs it unasked."""

    fs_type = FsType.XFS
    mount_options: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            "discard": "",
            "nodiscard": "",
            "allocsize": r"\d{1,8}[kKmMgG]?",
            "inode64": "",
            "largeio": "",
            "nolargeio": "",
            "logbufs": "[2-8]",
            "logbsize": r"\d{1,6}[kK]?",
            "swalloc": "",
            "sunit": r"\d{1,8}",
            "swidth": r"\d{1,8}",
        }
    )

    untold = frozenset({"nodiscard", "nolargeio"})

    def make(self, device: Device, options: Sequence[str], *, zeros: bool) -> None:
        """See `Filesystem.make`."""
        self.tool(device, "mkfs.xfs", "-q", "-f", "-K", *options)

    def check(self, device: Device) -> None:
        """Nothing: mounting replays the log, and xfs_repair would throw it away."""

    def uuid(self, device: Device) -> UUID:
        """See `Filesystem.uuid`."""
        block = device.read(0, 512)
        if not block.startswith(MAGIC):
            raise Precondition(f"{device.path} has no XFS superblock")
        return UUID(bytes=block[32:48])

    def change_uuid(self, device: Device) -> None:
        """See `Filesystem.change_uuid`."""
        # A copy of a mounted XFS has a dirty log. xfs_admin says so, changes nothing and exits
        # with 0; nouuid lets it be mounted beside its source.
        self.mounts.replay(detached.Filesystem("xfs", device, [("nouuid", None)]))
        self.tool(device, "xfs_admin", "-U", "generate")

    def _resize(self, descriptor: int, device: Device) -> None:
        geometry = fcntl.ioctl(descriptor, XFS_IOC_FSGEOMETRY_V1, bytes(112))
        block_size, _, _, _, _, _, _, inode_percent, blocks = struct.unpack_from("8IQ", geometry)
        if (wanted := device.size // block_size) > blocks:
            growth = struct.pack("QII", wanted, inode_percent, 0)
            fcntl.ioctl(descriptor, XFS_IOC_FSGROWFSDATA, growth)
