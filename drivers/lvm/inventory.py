"""The one shared report, made again only when the metadata has changed.

Whoever needs to know something reads this record; nobody runs LVM for one volume. One report is under
way at a time, and everybody who asks meanwhile gets its result.

Where the disks cannot be read or LVM cannot report, what was read before is still what is known, but
nobody may take the group for well: the last failure is kept until something can be read again.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from drivers.errors import Busy, StorageError, Unavailable
from drivers.exec import remaining
from drivers.lvm.headers import Fingerprint
from drivers.lvm.report import Group

TRIES = 3


class Inventory:
    """What the group looks like, by `report` when `fingerprint` says that it changed."""

    def __init__(self, report: Callable[[], Group], fingerprint: Callable[[], Fingerprint]) -> None:
        self._report = report
        self._fingerprint = fingerprint
        self._guard = threading.Lock()
        self._looking: Future[None] | None = None
        self._seen: tuple[Fingerprint, Group] | None = None
        self._trouble = ""
        self._reporter = ThreadPoolExecutor(1, thread_name_prefix="lvm-report")

    def fresh(self) -> Group:
        """The group as it is now; waits for LVM, at most until the caller's deadline (`Busy`)."""
        for _ in range(TRIES):
            if (known := self._valid()) is not None:
                return known
            try:
                self._look().result(remaining())
            except TimeoutError:
                raise Busy("LVM is busy with another change; ask again") from None
        # Others change it all the time; what was read a moment ago is as good as it gets.
        return self.latest()

    def recent(self, patience: float) -> Group:
        """The group as it is now, or as it was last seen if LVM does not answer in ``patience`` s."""
        if (known := self._valid()) is not None:
            return known
        try:
            self._look().result(patience)
        except (TimeoutError, StorageError):
            if self._seen is None:
                raise
        return self.latest()

    def latest(self) -> Group:
        """The group as it was last seen, from memory; `Unavailable` if it never was."""
        if self._seen is None:
            raise Unavailable("the volume group has not been read yet")
        return self._seen[1]

    def shows(self, group: Group) -> bool:
        """Whether ``group`` is how it looks now. Runs no LVM."""
        return self._valid() is group

    @property
    def revision(self) -> str:
        """Stands for the metadata as it was last seen, from memory; empty if it never was."""
        return hashlib.sha256(b"".join(self._seen[0])).hexdigest()[:16] if self._seen else ""

    @property
    def trouble(self) -> str:
        """Why the group could not be read when somebody last tried; empty if it could."""
        return self._trouble

    def look_at(self, fingerprint: Callable[[], Fingerprint]) -> None:
        """From now on, changes show in ``fingerprint``: the group has other disks."""
        self._fingerprint = fingerprint

    def close(self) -> None:
        """Wait for the report under way and make no more."""
        self._reporter.shutdown()

    def fingerprint(self) -> Fingerprint:
        """What changes with the group; the key for anything that is derived from it."""
        with self._remembered():
            return self._fingerprint()

    def _valid(self) -> Group | None:
        seen = self._seen
        if seen is None or seen[0] != self.fingerprint():
            return None
        self._trouble = ""
        return seen[1]

    def _look(self) -> Future[None]:
        with self._guard:
            # Asked again under the guard: a report may have ended since the caller found it outdated.
            if self._looking is None or (self._looking.done() and self._valid() is None):
                self._looking = self._reporter.submit(self._refresh)
            return self._looking

    def _refresh(self) -> None:
        # The fingerprint is taken first: a change during the report makes the next reader look again.
        fingerprint = self.fingerprint()
        with self._remembered():
            self._seen = fingerprint, self._report()
        self._trouble = ""

    @contextmanager
    def _remembered(self) -> Iterator[None]:
        """Keep a failure of the block. LVM that is only busy is as well as ever."""
        try:
            yield
        except Unavailable as error:
            self._trouble = str(error)
            raise
