"""What of the unfinished volumes of a group this process is working on.

A mark says that a volume is not finished, and not whether anybody will finish it: a call that is in the
middle of it and a process that died leave the same. Whoever looks for what is left over tells them apart.
"""

from __future__ import annotations

from drivers.lvm import names
from drivers.lvm.group import VolumeGroup
from drivers.lvm.growth import Growth
from drivers.lvm.jobs import Jobs
from drivers.lvm.removal import Removal
from drivers.lvm.report import Lv

UNFINISHED = (names.CREATING, names.DELETING, names.TAIL, names.COPY)
PATIENCE = 3.0
"""Seconds to wait for a moment at which nobody changes the group: such a change takes as long as LVM does."""


class Works:
    """Asks everybody who works on the volumes of one group."""

    def __init__(self, group: VolumeGroup, jobs: Jobs, removal: Removal, growth: Growth) -> None:
        self._group = group
        self._jobs = jobs
        self._removal = removal
        self._growth = growth

    def has(self, lv: Lv) -> bool:
        """Whether somebody is making or removing ``lv``, which is unfinished."""
        return self._is_known(lv) or self._is_passing(lv)

    def _is_known(self, lv: Lv) -> bool:
        """Whether work that outlasts a change of the group is about it."""
        if names.DELETING in lv.tags:
            return lv.uuid not in self._removal.refused
        served = lv.tag(names.COPY) or lv.tag(names.TAIL) or lv.object_id
        return self._growth.grows(served) or self._jobs.find(served) is not None

    def _is_passing(self, lv: Lv) -> bool:
        """Whether it was seen in the middle of a change: it is another one, or known, after that."""
        if (now := self._group.between(PATIENCE)) is None:
            return True
        left = [each for each in now.lvs.values() if each.uuid == lv.uuid and is_unfinished(each)]
        return not any(not self._is_known(each) for each in left)


def is_unfinished(lv: Lv) -> bool:
    """Whether a mark says that it is being made or removed, or was when that broke off."""
    return any(tag.startswith(UNFINISHED) for tag in lv.tags)
