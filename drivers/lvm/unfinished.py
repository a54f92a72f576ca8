"""Group snapshots that were begun or doomed, and are not all made or all gone.

Nobody sees them, but they hold room and names. They are removed by whoever comes next, and what cannot
be removed is tried again in the background.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from drivers.errors import StorageError
from drivers.lvm import commands, devicemapper, devices, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.later import Later

log = logging.getLogger(__name__)


class Unfinished:
    """What is left of the group snapshots of one volume group."""

    def __init__(self, group: VolumeGroup) -> None:
        self._group = group
        self._later = Later("lvm-cuts", self.recover)
        self._doubtful: set[str] = (
            set()
        )  # UUIDs of devices of which nobody knows whether they go on

    def close(self) -> None:
        """Leave what is left to the next process."""
        self._later.close()

    def doubt(self, devices: Iterable[str]) -> None:
        """Let these devices, by their UUIDs, go on: a cut stopped them, and nobody said that they do.

        Waits for nothing: whoever holds LVM's lock may wait for one of them.
        """
        self._doubtful.update(devices)
        self._go_on()

    def recover(self) -> bool:
        """Remove what is left; whether nothing stays. What stays is tried again."""
        try:
            self._go_on()
            with self._group.changing():
                self.remove()
        except StorageError as error:
            log.warning("part of a group snapshot in %s stays for now: %s", self._group.name, error)
            self._later.ask()
            return False
        if self._doubtful:
            self._later.ask()
        return not self._doubtful

    def remove(self) -> None:
        """Remove what is left. Called while changing the group: nobody works on it.

        Raises what LVM says if something stays.
        """
        now = self._group.read()
        if not (unfinished := records.unfinished_cuts(now)):
            return
        left = [lv for lv in now.lvs.values() if lv.tag(names.CUT) in unfinished]
        for lv in left:
            self._group.deactivate(lv)
        self._group.run(commands.remove(now.name, *(lv.name for lv in left)))

    def _go_on(self) -> None:
        """Of all others' devices, none is touched: who suspends or freezes one has a reason."""
        stopped = [each for each in self._group.devices() if each.uuid in self._doubtful]
        for device in stopped:
            if device.suspended:
                log.warning("device %s was left suspended by a cut", device.name)
                self._group.resume(device)
        self._doubtful.intersection_update(each.uuid for each in stopped)
        for device in stopped:
            self._thaw(device)

    def _thaw(self, device: devicemapper.Device) -> None:
        try:
            devices.thaw(device)
        except StorageError as error:
            log.warning("device %s may stay frozen for now: %s", device.name, error)
        else:
            self._doubtful.discard(device.uuid)
