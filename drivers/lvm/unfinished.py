"""Group snapshots that were begun or doomed, and are not all made or all gone.

Nobody sees them, but they hold room and names. They are removed by whoever comes next, and what cannot
be removed is tried again in the background.
"""

from __future__ import annotations

import logging

from drivers.errors import StorageError
from drivers.lvm import commands, devices, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.later import Later
from drivers.lvm.report import Group

log = logging.getLogger(__name__)


class Unfinished:
    """What is left of the group snapshots of one volume group."""

    def __init__(self, group: VolumeGroup) -> None:
        self._group = group
        self._later = Later("lvm-cuts", self.recover)

    def close(self) -> None:
        """Leave what is left to the next process."""
        self._later.close()

    def recover(self) -> bool:
        """Remove what is left; whether nothing stays. What stays is tried again."""
        try:
            with self._group.changing():
                self.remove()
        except StorageError as error:
            log.warning("part of a group snapshot in %s stays for now: %s", self._group.name, error)
            self._later.ask()
            return False
        return True

    def remove(self) -> None:
        """Remove what is left. Called while changing the group: nobody works on it.

        Devices that were left suspended go on first. Raises what LVM says if something stays.
        """
        now = self._group.read()
        if not (unfinished := records.unfinished_cuts(now)):
            return
        left = [lv for lv in now.lvs.values() if lv.tag(names.CUT) in unfinished]
        self._go_on(now, {lv.fields.get("volume", "") for lv in left})
        for lv in left:
            self._group.deactivate(lv)
        self._group.run(commands.remove(now.name, *(lv.name for lv in left)))

    def _go_on(self, now: Group, volume_ids: set[str]) -> None:
        """Let these volumes go on, if a dead process left them suspended or frozen."""
        for lv in now.lvs.values():
            is_one = f"{now.id}.{lv.object_id}" in volume_ids
            if is_one and (device := self._group.device(lv)) is not None:
                if device.suspended:
                    log.warning("device %s was left suspended by a cut", device.name)
                    self._group.resume(device)
                devices.thaw(device)
