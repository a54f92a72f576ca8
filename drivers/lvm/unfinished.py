"""Group snapshots that were begun or doomed, and are not all made or all gone.

Nobody sees them, but they hold room and names. They are removed by whoever comes next, and what cannot
be removed is tried again in the background.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager

from drivers.errors import StorageError
from drivers.lvm import commands, devicemapper, devices, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.later import Later
from drivers.lvm.report import Group, Lv

log = logging.getLogger(__name__)


class Unfinished:
    """What is left of the group snapshots of one volume group."""

    def __init__(self, group: VolumeGroup) -> None:
        self._group = group
        self._later = Later("lvm-cuts", self.recover)
        # UUIDs of devices of which nobody knows whether they go on.
        self._doubtful: set[str] = set()
        # Held while they are let go on, and by a cut, which must not be taken for one of before.
        # Whoever waits for it may hold the group, and whoever holds it never waits for the group.
        self._stopping = threading.RLock()

    def close(self) -> None:
        """Leave what is left to the next process."""
        self._later.close()

    def doubt(self, devices: Iterable[str]) -> None:
        """Let these devices, by their UUIDs, go on: a cut stopped them, and nobody said that they do.

        Waits for nothing: whoever holds LVM's lock may wait for one of them.
        """
        with self._stopping:
            self._doubtful.update(devices)
            self._go_on()

    @contextmanager
    def settled(self) -> Iterator[None]:
        """For the block, which may stop devices, nobody lets any of them go on.

        Raises `Unavailable` before it if a device is stopped by a cut before, and cannot be let go on.
        """
        with self._stopping:
            self._go_on()
            yield

    def recover(self) -> bool:
        """Remove what is left; whether nothing stays. What stays is tried again."""
        try:
            with self._stopping:
                self._go_on()
            with self._group.changing():
                return self.remove()
        except StorageError as error:
            log.warning("part of a group snapshot in %s stays for now: %s", self._group.name, error)
            self._later.ask()
            return False

    def remove(self, needed: Container[str] = ()) -> bool:
        """Remove what is left; whether nothing stays. Called while changing the group: nobody works on it.

        What stays of others is in nobody's way, and is tried again. Raises what LVM says if it is of those
        group snapshots, by their object ids, whose names are ``needed``.
        """
        now = self._group.read()
        refused: dict[str, StorageError] = {}
        for cut_id in sorted(records.unfinished_cuts(now)):
            try:
                self._remove(now, cut_id)
            except StorageError as error:  # the others go
                log.warning("group snapshot %s.%s stays for now: %s", now.id, cut_id, error)
                refused[cut_id] = error
        if refused or self._doubtful:
            self._later.ask()
        for cut_id, refusal in refused.items():
            if cut_id in needed:
                raise refusal
        return not refused and not self._doubtful

    def doom(self, now: Group, members: Sequence[Lv]) -> None:
        """Nobody sees them from now on.

        Deleting is what helps when the metadata area is full: the mark takes the place of a longer tag.
        """
        every = [lv.name for lv in members]
        times = {tag for lv in members for tag in lv.tags if tag.startswith(names.CUT_AT)}
        self._group.run(commands.retag(now.name, *every, add={names.CREATING}, remove=times))

    def _remove(self, now: Group, cut_id: str) -> None:
        left = [lv for lv in now.lvs.values() if lv.tag(names.CUT) == cut_id]
        # LVM marks and removes one after the other: without a mark on each, the rest would be seen
        # again once those that have one are gone.
        if unmarked := [lv for lv in left if names.CREATING not in lv.tags]:
            self.doom(now, unmarked)
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
