"""Which RAID volumes go on with less than they were made with.

LVM's metadata knows of disks that are away. A disk that fails while it is there is known to the kernel alone,
which drops it from the volumes and says so in their status; nothing in the metadata changes then. Who
asks for a backend's state asks often, so the kernel's word is kept for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from drivers.errors import Unavailable
from drivers.lvm.devicemapper import Target
from drivers.lvm.group import VolumeGroup
from drivers.lvm.report import Group, Lv

KEPT = 15.0
"""Seconds that an answer of the kernel is good for."""


class Redundancy:
    """Counts the RAID volumes of a group that have lost a copy."""

    def __init__(self, group: VolumeGroup, clock: Callable[[], float] = time.monotonic) -> None:
        self._group = group
        self._clock = clock
        self._until = float("-inf")
        self._lost = 0

    def lost(self, now: Group) -> int:
        """How many lack a copy, hidden parts of pools included. Runs no LVM."""
        if self._clock() >= self._until:
            self._lost = sum(self._lacks(lv) for lv in now.lvs.values())
            self._until = self._clock() + KEPT
        return self._lost

    def _lacks(self, lv: Lv) -> bool:
        if not lv.type.startswith("raid"):
            return False
        return "partial" in lv.health or self._has_failed(lv)

    def _has_failed(self, lv: Lv) -> bool:
        """Whether the kernel lacks one of its disks: ``raid1 2 AD 800/800 idle 0 0 -``.

        ``D`` is one that it gave up, ``-`` one that it never had; one that is being filled is ``a``.
        """
        states = (target.status.split()[2:3] for target in self._targets(lv))
        return any(set("D-") & set(each[0]) for each in states if each)

    def _targets(self, lv: Lv) -> Iterator[Target]:
        # Under a volume with COW snapshots, and in a pool, the RAID is a device of its own.
        inner = f"-{lv.name.rpartition('_')[2]}" if lv.parent else "-real"
        with suppress(Unavailable):
            for suffix in ("", inner):
                found = self._group.status(lv, suffix)
                yield from (target for target in found if target.type == "raid")
