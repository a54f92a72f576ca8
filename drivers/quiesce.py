"""Holding a mounted btrfs still while a snapshot of its device is cut.

Suspending a device makes ext4 and xfs write out a clean image by themselves, and an explicit freeze
would make that suspend fail with EBUSY. btrfs is not told of the suspend by Linux 6.1: the
snapshot then holds a tree log, and giving such a copy a UUID of its own destroys it. So btrfs, and only
btrfs, is frozen from outside. Linux 7.2 freezes it for a suspend, and does not mind that it is frozen.
"""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from drivers import guardian, mountinfo
from drivers.errors import Unavailable
from drivers.exec import Arg, companion
from drivers.mountinfo import Device

LIMIT = 1.0
"""Seconds that writers are kept waiting at most."""


@contextmanager
def quiesced(device: Device, limit: float = LIMIT) -> Iterator[None]:
    """Keep the btrfs on ``device`` frozen for the block; where none is mounted on it, do nothing.

    Raises `Unavailable` before the block if it cannot be frozen, and after the block if it had to be
    thawed before the block was done: what was cut in the block must then be thrown away.
    """
    found = btrfs_mount(device)
    if found is None:
        yield
        return
    mountpoint, _fsid = found
    with companion(_command(mountpoint, limit)) as process:
        if (said := process.hear()) != b"frozen":
            reason = (said or b"").decode(errors="replace") or "the guardian ended"
            raise Unavailable(f"the btrfs at {mountpoint} cannot be frozen: {reason}")
        try:
            yield
        finally:
            status = process.release()
            if status != guardian.IN_TIME:
                thaw(device)  # a guardian that was killed has not done it
    if status != guardian.IN_TIME:
        raise Unavailable(
            f"the btrfs at {mountpoint} was thawed after {limit} s, before the snapshot was done"
        )


def thaw(device: Device) -> None:
    """Thaw the btrfs mounted on ``device``, if there is one and it is frozen.

    For the start of a process: when all processes of a container are killed at once, the guardian
    dies with its parent.
    """
    if (found := btrfs_mount(device)) is None:
        return
    mountpoint, fsid = found
    descriptor = os.open(mountpoint, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if mountinfo.btrfs_at(descriptor) == fsid:
            with suppress(OSError):  # EINVAL: it is not frozen
                fcntl.ioctl(descriptor, guardian.FITHAW, 0)
    finally:
        os.close(descriptor)


def btrfs_mount(device: Device) -> tuple[Path, str] | None:
    """Where the btrfs on ``device`` is mounted, and its UUID; None without one.

    Raises `Unavailable` if it is mounted where this process does not see it.
    """
    if (fsid := mountinfo.btrfs_on(device)) is None:
        return None
    for mount in mountinfo.mounts_of(device, mountinfo.read()):
        if mountinfo.btrfs_of(mount.target) == fsid:  # not hidden below another mount
            return mount.target, fsid
    raise Unavailable(
        f"btrfs {fsid} on device {device[0]}:{device[1]} is mounted where this process does not see"
        " it, so it cannot be frozen: mount propagation from the host is missing"
    )


def _command(mountpoint: Path, limit: float) -> Sequence[Arg]:
    # Isolated and without site packages: it starts in a tenth of the time.
    return [sys.executable, "-I", "-S", guardian.__file__, mountpoint, str(limit)]
