"""Questions about a device that decide whether a snapshot is worth anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivers import mountinfo, quiesce
from drivers.errors import Unavailable
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
    with quiesce.quiesced(_number(device)):
        yield


@dataclass(frozen=True, slots=True)
class Use:
    """How a device is written to; one of the three is given.

    Where its filesystem is ``mounted``, or that of a btrfs, which must be ``frozen``, with its UUID; else
    the ``raw`` node.
    """

    mounted: Path | None = None
    frozen: tuple[Path, str] | None = None
    raw: Path | None = None


def use(device: devicemapper.Device) -> Use:
    """How the device is used.

    Raises `Unavailable` for a btrfs that is mounted where it is not seen, and if it cannot be told.
    """
    number = _number(device)
    if (found := quiesce.btrfs_mount(number)) is not None:
        return Use(frozen=found)
    for mount in mountinfo.mounts_of(number, mountinfo.read()):
        if _is_there(mount.target):
            return Use(mounted=mount.target)
    return Use(raw=device.path)


def _is_there(target: Path) -> bool:
    try:
        return target.exists()
    except OSError as error:
        raise Unavailable(f"the mount at {target} cannot be looked at: {error.strerror}") from error


def _number(device: devicemapper.Device) -> mountinfo.Device:
    try:
        number = device.path.stat().st_rdev
    except OSError as error:
        raise Unavailable(f"device {device.path} cannot be looked at: {error.strerror}") from error
    return os.major(number), os.minor(number)


def thaw(device: devicemapper.Device) -> None:
    """Let a btrfs go on whose guardian died together with the process that froze it.

    Raises `Unavailable` if it cannot be told whether there is one.
    """
    try:
        if device.path.exists():
            quiesce.thaw(_number(device))
    except OSError as error:
        raise Unavailable(
            f"whether device {device.path} is frozen cannot be told: {error.strerror}"
        ) from error


def is_invalid(group: VolumeGroup, snapshot: Lv) -> bool:
    """Whether the kernel gave a COW snapshot up; one that is not active has no way to overflow."""
    return snapshot.is_cow and any(
        target.type == "snapshot" and target.status.split()[:1] in (["Invalid"], ["Overflow"])
        for target in group.status(snapshot)
    )
