"""What is mounted in this process's mount namespace, read from the kernel and never from a program.

``/proc/self/mountinfo`` names the block device of a mount by number, except for btrfs, whose
superblocks carry an anonymous number and whose ``source`` text goes stale when a device is renamed. For
btrfs the kernel is asked twice: sysfs says which filesystem uses the device, an ioctl says which
filesystem a mount point belongs to.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

Device = tuple[int, int]
"""The major and minor number of a block device."""

MOUNTINFO = Path("/proc/self/mountinfo")
BTRFS_IOC_FS_INFO = 0x8400941F
FS_INFO_SIZE = 1024
NODES_ARE_ON = frozenset({"devtmpfs", "tmpfs", "ramfs"})


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo, see proc_pid_mountinfo(5).

    ``root`` is the part of the filesystem that shows, ``options`` are those of this mount,
    ``super_options`` those of the filesystem behind it.
    """

    id: int
    parent: int
    device: Device
    root: str
    target: Path
    options: frozenset[str]
    fs_type: str
    source: str
    super_options: frozenset[str]


def read() -> tuple[Mount, ...]:
    """Everything mounted now, in the order of mounting at each place."""
    return parse(os.fsdecode(MOUNTINFO.read_bytes()))


def parse(text: str) -> tuple[Mount, ...]:
    """The mounts that the text of a mountinfo file tells of."""
    return tuple(_parse_line(line) for line in text.split("\n") if line)


def mounts_of(device: Device, mounts: Iterable[Mount]) -> Sequence[Mount]:
    """Those of ``mounts`` whose filesystem lies on the block device."""
    mounts = tuple(mounts)
    anonymous = set(_btrfs_superblocks(device, mounts))
    return [mount for mount in mounts if mount.device == device or mount.device in anonymous]


def nodes_of(device: Device, mounts: Iterable[Mount]) -> Sequence[Mount]:
    """Those of ``mounts`` that show the node of the block device: how a raw volume is handed out."""
    return [each for each in mounts if each.fs_type in NODES_ARE_ON and _is_node(each, device)]


def btrfs_on(device: Device) -> str | None:
    """The UUID of the mounted btrfs that uses the block device, or None."""
    name = Path(f"/sys/dev/block/{device[0]}:{device[1]}").resolve().name
    for found in Path("/sys/fs/btrfs").glob(f"*/devices/{name}"):
        return found.parent.parent.name
    return None


def btrfs_at(descriptor: int) -> str | None:
    """The UUID of the btrfs that the open file is on, None for another filesystem."""
    try:
        answer = fcntl.ioctl(descriptor, BTRFS_IOC_FS_INFO, bytes(FS_INFO_SIZE))
    except OSError:
        return None
    return str(UUID(bytes=answer[16:32]))


def btrfs_of(target: Path) -> str | None:
    """The UUID of the btrfs that shows at a path now, None if something else does."""
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None  # unmounted meanwhile, or hidden below another mount
    try:
        return btrfs_at(descriptor)
    finally:
        os.close(descriptor)


def is_handed_out(path: Path) -> bool:
    """Whether the node of a device is bound to a file somewhere else, as to one in a pod's folder.

    The kernel counts no opener until the pod opens it, and would give the number to another device if this
    one went.
    """
    if not path.exists():
        return False
    number = path.stat().st_rdev
    return bool(nodes_of((os.major(number), os.minor(number)), read()))


def _btrfs_superblocks(device: Device, mounts: Sequence[Mount]) -> Iterator[Device]:
    if (fsid := btrfs_on(device)) is None:
        return
    for mount in mounts:
        if mount.fs_type == "btrfs" and btrfs_of(mount.target) == fsid:
            yield mount.device


def _is_node(mount: Mount, device: Device) -> bool:
    try:
        found = mount.target.lstat()
    except OSError:
        return False  # unmounted meanwhile
    return stat.S_ISBLK(found.st_mode) and device == (
        os.major(found.st_rdev),
        os.minor(found.st_rdev),
    )


def _parse_line(line: str) -> Mount:
    # Optional fields stand between the sixth and a lone dash; a path has no spaces here.
    fields = line.split(" ")
    dash = fields.index("-", 6)
    major, minor = fields[2].split(":")
    return Mount(
        id=int(fields[0]),
        parent=int(fields[1]),
        device=(int(major), int(minor)),
        root=_plain(fields[3]),
        target=Path(_plain(fields[4])),
        options=frozenset(fields[5].split(",")),
        fs_type=_plain(fields[dash + 1]),
        source=_plain(fields[dash + 2]),
        super_options=frozenset(fields[dash + 3].split(",")),
    )


def _plain(field: str) -> str:
    r"""The kernel writes space, tab, newline and backslash as ``\040`` and so on."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)
