"""Copies of the group's metadata in files, for the day on which the disks' own are gone.

LVM can write one with every change, within the command and so within the call. Here a change is followed by
one copy some seconds later, however many changes there were by then, made by a program of its own that
takes no lock: no call waits for it, and none fails if it does.

The copies are for people with vgcfgrestore. Nothing here ever reads one to decide anything.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from drivers.errors import StorageError
from drivers.lvm import commands
from drivers.lvm.group import VolumeGroup
from drivers.lvm.headers import Fingerprint

log = logging.getLogger(__name__)

DELAY, LONGEST_DELAY = 10.0, 600.0
"""Seconds from a change to its copy, and at most to the next try where that failed."""
KEPT = 10
"""How many copies, each of another state of the group."""
DRAFT = "draft"


class Backups:
    """Copies the metadata of one volume group."""

    def __init__(
        self,
        group: VolumeGroup,
        delay: float = DELAY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.latest: datetime | None = None
        """When the metadata were last copied, or found to be as they were in the last copy."""
        self._group = group
        self._delay = delay
        self._clock = clock
        self._changed: float | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._copied: Fingerprint | None = None

    def start(self) -> None:
        """Begin with a copy of how the group is now, if it is another one than the last."""
        if self._group.options.backup_directory is not None and self._thread is None:
            self._group.touched.set()
            self._thread = threading.Thread(target=self._work, name="lvm-backup", daemon=True)
            self._thread.start()

    def lag(self) -> float | None:
        """For how many seconds a change has waited for its copy; None where no copies are made."""
        if self._thread is None:
            return None
        changed = self._changed
        return 0.0 if changed is None else self._clock() - changed

    def close(self) -> None:
        """Make the copy that is due, and no more."""
        self._stopping.set()
        self._group.touched.set()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        pause = self._delay
        while not self._stopping.is_set():
            self._group.touched.wait()
            self._changed = self._clock() if self._changed is None else self._changed
            self._stopping.wait(pause)
            try:
                self._copy()
            except (StorageError, OSError) as error:
                told = "the metadata of volume group %s could not be copied to a file: %s"
                log.warning(told, self._group.name, error)
                self._group.touched.set()
                pause = min(2 * pause, LONGEST_DELAY)
            else:
                self.latest, self._changed = datetime.now(UTC), None
                pause = self._delay

    def _copy(self) -> None:
        self._group.touched.clear()
        # Taken first: what changes while it is copied is copied again.
        now = self._group.inventory.fingerprint()
        if now != self._copied:
            folder = Path(str(self._group.options.backup_directory)) / self._group.name
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._group.run(commands.backup(self._group.name, folder / DRAFT))
            keep(folder)
            self._copied = now


def keep(folder: Path) -> None:
    """Give the draft a name that tells its age, unless it is like the newest, and drop the oldest."""
    draft, kept = folder / DRAFT, sorted(folder.glob("*.vg"))
    if kept and _metadata(kept[-1]) == _metadata(draft):
        draft.unlink()
        return
    draft.replace(folder / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.vg")
    for old in kept[: 1 - KEPT]:
        old.unlink()


def _metadata(copy: Path) -> bytes:
    """What it says of the group, without when and where it was made."""
    return copy.read_bytes().partition(b"creation_time")[2].partition(b"\n")[2]
