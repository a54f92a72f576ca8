"""Giving extents back so that nobody can read in them what was there.

A thick volume that is deleted is first tagged and renamed: from then on it does not exist for anybody,
its old name is free, and its extents are still taken. Then it is wiped in the background, one at a time, and
removed. Each step is the last one or is found again by the tag, in this process or the next.

A COW area holds old blocks of its origin. Split off, it is a plain volume and goes the same way; removed as a
snapshot, all of it would be readable in the next volume.
"""

from __future__ import annotations

import logging
import threading

from drivers.errors import StorageError
from drivers.lvm import commands, names
from drivers.lvm.blocks import Tick
from drivers.lvm.group import VolumeGroup
from drivers.lvm.options import Wipe
from drivers.lvm.report import Group, Lv

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 120.0


class Removal:
    """Removes logical volumes of ours; wipes the thick ones first, in the background."""

    def __init__(self, group: VolumeGroup) -> None:
        self._group = group
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._handed: set[str] = set()  # UUIDs of what the last report may not show yet
        self.wiped = 0
        """The bytes that were wiped so far; what is wiped again counts again."""
        self.refused: frozenset[str] = frozenset()
        """The UUIDs of what could not be wiped when that was last tried; it is tried again."""

    def start(self) -> None:
        """Begin with what an earlier process left."""
        self._wanted.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._work, name="lvm-wiper", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stop at the next piece and wait for that."""
        self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def remove(self, lv: Lv) -> None:
        """Make ``lv`` cease to exist for everybody. Called while changing the group.

        Raises `InUse` where LVM finds it open.
        """
        if lv.is_thin or self._group.options.wipe is Wipe.NONE:
            self._group.run(commands.remove(self._group.name, lv.name))
            return
        self._group.retag(lv, add={names.DELETING})
        self._handed.add(lv.uuid)
        self._wanted.set()
        self._detach(lv)

    def waiting(self, group: Group) -> list[Lv]:
        """What is still to be wiped."""
        return [lv for lv in group.lvs.values() if names.DELETING in lv.tags]

    def backlog(self, group: Group) -> int:
        """How much is still to be wiped, what was deleted after the report ``group`` included."""
        return len({lv.uuid for lv in self.waiting(group)} | self._handed)

    def _detach(self, lv: Lv) -> None:
        if lv.is_cow:
            self._group.run(commands.split(self._group.name, lv.name))
        if not lv.name.startswith("del-"):
            self._group.run(commands.rename(self._group.name, lv.name, names.deleted()))

    def _work(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                self._wipe_all()
            except StorageError as error:
                log.warning(
                    "wiping in %s stopped, goes on in %d s: %s", self._group.name, pause, error
                )
                self._stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                pause = FIRST_PAUSE
                self._wanted.wait()

    def _wipe_all(self) -> None:
        self._wanted.clear()
        refused: dict[str, StorageError] = {}
        # The last look also spares whoever asks for capacity next the wait for a report.
        while not self._stopping.is_set() and (
            rest := [lv for lv in self._look() if lv.uuid not in refused]
        ):
            try:
                self._wipe(rest[0])
            except StorageError as error:  # the others go on
                refused[rest[0].uuid] = error
                self.refused |= {rest[0].uuid}
        self.refused = frozenset(refused)
        for refusal in refused.values():
            raise refusal

    def _look(self) -> list[Lv]:
        handed = frozenset(self._handed)
        rest = self.waiting(self._group.read())
        self._handed.difference_update(handed)
        return rest

    def _wipe(self, lv: Lv) -> None:
        # By UUID and as it is now: the name that it had a moment ago may be a new volume's.
        with self._group.changing() as now:
            if (found := _same(now, lv)) is None:
                return  # an administrator removed or rescued it
            self._detach(found)
        with self._group.changing() as now:
            if (found := _same(now, lv)) is None:
                return
            connection = self._group.connection(found)
        blocks = self._group.blocks
        wipe = blocks.zero if self._group.options.wipe is Wipe.ZERO else blocks.discard
        with blocks.opened(connection, write=True) as descriptor:
            self._group.step(f"wipe {found.name}")
            wipe(descriptor, 0, connection.size, self._counted())
        with self._group.changing():
            self._group.run(commands.remove(self._group.name, found.name))
        log.info("wiped and removed %s/%s, %d bytes", self._group.name, found.name, found.size)

    def _counted(self) -> Tick:
        """The tick of one volume, which tells how far it is from its own beginning."""
        before = self.wiped

        def tick(done: int) -> None:
            self.wiped = before + done
            self._group.step("go on wiping")
            if self._stopping.is_set():
                raise StorageError("the process ends; the next one wipes the rest")

        return tick


def _same(group: Group, lv: Lv) -> Lv | None:
    found = next((each for each in group.lvs.values() if each.uuid == lv.uuid), None)
    return found if found is not None and names.DELETING in found.tags else None
