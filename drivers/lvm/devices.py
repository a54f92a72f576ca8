"""Two questions about a device that decide whether a snapshot is worth anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from drivers import quiesce
from drivers.lvm import devicemapper
from drivers.lvm.group import VolumeGroup
from drivers.lvm.report import Lv


@contextmanager
def still(group: VolumeGroup, origin: Lv) -> Iterator[None]:
    """Keep a mounted btrfs on ``origin`` frozen for the block, in which its snapshot is cut.

    Raises `Unavailable` after the block if it did not hold: the snapshot must be thrown away.
    """
    device = group.device(origin)
    if device is None:
        yield
        return
    number = device.path.stat().st_rdev
    with quiesce.quiesced((os.major(number), os.minor(number))):
        yield


def thaw(device: devicemapper.Device) -> None:
    """Let a btrfs go on whose guardian died together with the process that froze it."""
    if device.path.exists():
        number = device.path.stat().st_rdev
        quiesce.thaw((os.major(number), os.minor(number)))


def is_invalid(group: VolumeGroup, snapshot: Lv) -> bool:
    """Whether the kernel gave a COW snapshot up; one that is not active has no way to overflow."""
    return snapshot.is_cow and any(
        target.type == "snapshot" and target.status.split()[:1] in (["Invalid"], ["Overflow"])
        for target in group.status(snapshot)
    )
