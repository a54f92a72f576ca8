"""What happens at start: healing what a dead process left, and refusing a group that is not fit."""

from __future__ import annotations

import logging
import os
import re
from contextlib import suppress
from pathlib import Path

from drivers.errors import Exhausted, Invalid, StorageError, Unavailable
from drivers.lvm import commands, devicemapper, devices, layouts, names
from drivers.lvm.group import VolumeGroup
from drivers.lvm.options import Wipe
from drivers.lvm.report import Group

log = logging.getLogger(__name__)


def wake(group: VolumeGroup, moment: float) -> None:
    """Let go on what a dead process's cut left suspended, before LVM is asked anything.

    A host's LVM that waits for such a device holds the lock that a report needs. Left alone is what goes on
    by itself within ``moment`` seconds, and where a table waits: there an LVM died, and `heal` loads what
    the metadata says.
    """
    if held := {each.uuid for each in _held(group)}:
        group.pause(moment)
        for device in _held(group):
            if device.uuid in held:  # whoever opens it meanwhile makes it no other
                log.warning("device %s was left suspended", device.name)
                group.step(f"resume {device.name}")
                group.resume(device)


def _held(group: VolumeGroup) -> list[devicemapper.Device]:
    """By name, since the UUID of the group is not known yet: LVM doubles hyphens, and puts one between."""
    mine = re.compile(re.escape(group.name.replace("-", "--")) + "-(?!-)")
    every = group.kernel.devices("LVM-")
    return [each for each in every if each.suspended and not each.waits and mine.match(each.name)]


def heal(group: VolumeGroup) -> None:
    """Bring suspended devices back and activate the thin pools.

    Raises `Unavailable` if a device stays suspended.
    """
    with group.changing() as now:
        _heal(group, now)


def thaw(group: VolumeGroup) -> None:
    """Let a btrfs go on that a dead process froze for a snapshot; raises nothing for one that cannot.

    Only what lies on volumes of ours: nobody else's was ever frozen from here, and the host may have mounted
    it where it cannot be seen. Not for later than the start of a process, when what is frozen may be for a
    snapshot that is being cut.
    """
    with group.changing() as now:
        ours = (lv for lv in now.lvs.values() if names.is_ours(lv.tags))
        for device in filter(None, map(group.device, ours)):
            try:
                devices.thaw(device)
            except StorageError as error:  # the others are served
                log.warning("whether device %s is frozen is not known: %s", device.name, error)


def _heal(group: VolumeGroup, now: Group) -> None:
    group.revive(now)
    for name in group.options.thin_pools:
        pool = now.lvs.get(name)
        if pool is not None and not group.status(pool, "-tpool"):
            group.run(commands.activate(group.name, name))


def check(group: VolumeGroup) -> None:
    """Raise what is wrong, with the command that mends it, if the group is not fit.

    `Invalid`, `Unavailable`, or `MissingModule`.
    """
    now = group.read()
    if now.missing:
        raise Unavailable(
            f"volume group {now.name} lacks {now.missing} of its disks: bring them back or look at"
            " vgreduce --removemissing"
        )
    for name in group.options.thin_pools:
        _check_pool(now, name)
    _check_layout(group)
    if group.options.wipe is Wipe.DISCARD:
        for pv in now.pvs:
            _check_discard(pv.name)


def _check_layout(group: VolumeGroup) -> None:
    """Have LVM load what the default layout needs: a claim should not be the first to miss it."""
    shape = layouts.shape({}, group.options)
    if shape.copies > 1:
        with suppress(Exhausted):
            argv = commands.test_thick(group.name, extents=shape.stripes, shape=shape.arguments)
            group.run(argv)


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


def free_names(group: VolumeGroup) -> None:
    """Rename what was deleted by a process that died before it could."""
    with group.changing() as now:
        for lv in now.lvs.values():
            if names.DELETING in lv.tags and not lv.name.startswith("del-"):
                group.run(commands.rename(group.name, lv.name, names.deleted()))
