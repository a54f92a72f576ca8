"""What a node does with a filesystem, one class for each: make, check, tell apart, grow.

Nobody above this package knows that filesystems differ.
"""

from collections.abc import Mapping

from csi.node.filesystems.base import Filesystem, parse_flags
from csi.node.filesystems.btrfs import Btrfs
from csi.node.filesystems.ext4 import Ext4
from csi.node.filesystems.xfs import Xfs
from csi.node.mounts import Mounts
from drivers.exec import Run
from drivers.model import FsType

__all__ = ["Filesystem", "filesystems", "parse_flags"]


def filesystems(run: Run, mounts: Mounts) -> Mapping[FsType, Filesystem]:
    """One object for each filesystem."""
    return {each.fs_type: each(run, mounts) for each in (Ext4, Xfs, Btrfs)}
