"""What happens at start: healing what a dead process left, and refusing a group that is not fit."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from drivers.errors import Invalid, StorageError, Unavailable
from drivers.lvm import commands, devicemapper, devices, names
from drivers.lvm.group import VolumeGroup
from drivers.lvm.options import Wipe
from drivers.lvm.report import Group, Lv

log = logging.getLogger(__name__)


def heal(group: VolumeGroup) -> None:
    """Bring suspended devices back and activate the thin pools.

    A suspended device stops everybody who reads it, for ever, and is left behind only by a killed LVM
    process. Refreshing the volume loads what the metadata says and resumes; what is hidden inside
    another volume, or gone from the metadata, is resumed as it is. Raises `Unavailable` if one stays.
    A btrfs that was frozen for a snapshot goes on, too.
    """
    with group.changing() as now:
        _heal(group, now)


def _heal(group: VolumeGroup, now: Group) -> None:
    # Under the lock of changes: what our own commands suspend for a moment is not to be resumed.
    for device in group.suspended():
        _refresh(group, now, device)
    for device in group.suspended():
        group.resume(device)
    if left := [device.name for device in group.suspended()]:
        raise Unavailable(f"devices {', '.join(left)} stay suspended; look at dmsetup info")
    for device in group.devices():
        devices.thaw(device)
    for name in group.options.thin_pools:
        pool = now.lvs.get(name)
        if pool is not None and not group.status(pool, "-tpool"):
            group.run(commands.activate(group.name, name))


def check(group: VolumeGroup) -> None:
    """Raise `Invalid` or `Unavailable`, with the command that mends it, if the group is not fit."""
    now = group.read()
    if now.missing:
        raise Unavailable(
            f"volume group {now.name} lacks {now.missing} of its disks: bring them back or look at"
            " vgreduce --removemissing"
        )
    for name in group.options.thin_pools:
        _check_pool(now, name)
    if group.options.wipe is Wipe.DISCARD:
        for pv in now.pvs:
            _check_discard(pv.name)


def _check_pool(group: Group, name: str) -> None:
    pool = group.lvs.get(name)
    where = f"{group.name}/{name}"
    if pool is None or not pool.is_pool:
        raise Invalid(
            f"{where} is no thin pool: make it with"
            f" lvcreate --type thin-pool --zero y --size SIZE --name {name} {group.name}"
        )
    if not pool.segments[0].zero:
        raise Invalid(
            f"thin pool {where} does not zero new blocks, so a new volume would show old data:"
            f" lvchange --zero y {where}"
        )
    if pool.when_full != "error":
        raise Invalid(
            f"thin pool {where} lets writers hang when it is full: lvchange --errorwhenfull y {where}"
        )


def _check_discard(path: str) -> None:
    try:
        number = Path(path).stat().st_rdev
        device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
        # A partition has no queue of its own.
        queue = device / "queue" if (device / "queue").exists() else device.parent / "queue"
        largest = int((queue / "discard_max_bytes").read_text())
    except OSError as error:
        raise Unavailable(f"cannot tell whether the disk {path} can discard: {error}") from error
    if largest == 0:
        raise Invalid(f"wipe: discard, but the disk {path} cannot discard: use wipe: zero")


def _refresh(group: VolumeGroup, now: Group, device: devicemapper.Device) -> None:
    lv = _lv_of(now, device)
    if lv is None or lv.parent:
        return
    log.warning("device %s was left suspended: refreshing %s", device.name, lv.name)
    try:
        group.run(commands.refresh(group.name, lv.name))
    except StorageError as error:
        log.warning("refreshing %s failed: %s", lv.name, error)


def _lv_of(group: Group, device: devicemapper.Device) -> Lv | None:
    for lv in group.lvs.values():
        if device.uuid.startswith(group.dm_uuid(lv)):
            return lv
    return None


def free_names(group: VolumeGroup) -> None:
    """Rename what was deleted by a process that died before it could."""
    with group.changing() as now:
        for lv in now.lvs.values():
            if names.DELETING in lv.tags and not lv.name.startswith("del-"):
                group.run(commands.rename(group.name, lv.name, names.deleted()))
