"""Running LVM, and the only place that gives its failures a name.

LVM's exit status is 5 for nearly everything, so what went wrong is read from its words. What has no
name here stays `CommandFailed`: nobody above ever looks at LVM's words.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path

from drivers.errors import (
    Busy,
    CommandFailed,
    Exhausted,
    Exists,
    InUse,
    NotFound,
    StorageError,
    Unavailable,
)
from drivers.exec import Result, Run, remaining
from drivers.lvm import commands, config, report, targets
from drivers.residents import Resident


class Unchanged(StorageError):
    """LVM found that there was nothing to change. It says so with the status of a failure."""


RESIDENT = Path(__file__).with_name("resident.py")
QUICK = frozenset({"fullreport", "lvchange", "lvcreate", "lvextend", "lvremove", "lvrename"})
"""What the resident may run: not what waits for something, like a merge."""
PLAIN = re.compile(r"[^\s'\"]+")
WORDS = 60
"""LVM's library splits its one line of text at blanks, minds quotes, and takes 64 words."""

LOCKED = re.compile(r"[Cc]an't get lock|Cannot get lock|flock.* failed")
FAILURES: tuple[tuple[re.Pattern[str], type[StorageError], str], ...] = (
    (
        re.compile(
            r"insufficient (free|suitable)|not enough|must not exceed number of physical volumes",
            re.I,
        ),
        Exhausted,
        "the volume group has no room of that kind",
    ),
    (
        re.compile(r"exceeds maximum metadata size|circular buffer"),
        Exhausted,
        "the metadata area of the volume group is full",
    ),
    (re.compile(r"reached threshold"), Exhausted, "the thin pool is too full"),
    (
        re.compile(r"matches existing size|not larger than existing size|No size change"),
        Unchanged,
        "the size is that already",
    ),
    (re.compile(r"already exists in volume group"), Exists, "the logical volume exists"),
    (
        re.compile(
            r"Failed to find logical volume|[Vv]olume group \S+ not found|not found in volume"
        ),
        NotFound,
        "LVM does not find it",
    ),
    (
        re.compile(r"in use|is used by another device|Can't remove open|contains a filesystem"),
        InUse,
        "it is open",
    ),
)


class Lvm:
    """LVM with a backend's private configuration, for one volume group."""

    def __init__(self, run: Run, vg: str, directory: Path, patience: float = 10.0) -> None:
        """``patience``: for how many seconds a lock held by other programs is tried again."""
        self._run = run
        self._vg = vg
        self._directory = directory
        self._environment = {"LVM_SYSTEM_DIR": str(directory), "LVM_SUPPRESS_FD_WARNINGS": "1"}
        self._patience = patience
        self.was_killed = False
        """Whether a command was ended by a signal: it may have left devices suspended."""
        self._lacked = 0

    def find_devices(self) -> list[str]:
        """The disks that carry the group now; from then on LVM sees these alone.

        Scans every block device, so it is for set-up, with a configuration of its own: whoever runs
        LVM meanwhile goes on to see the group's disks alone.
        """
        everything = self._directory.with_name(f"{self._directory.name}.scan")
        config.write(everything, None)
        environment = {**self._environment, "LVM_SYSTEM_DIR": str(everything)}
        text = self._run(commands.physical_volumes(), wait=True, environment=environment).stdout
        found = report.physical_volumes(text)
        # A disk that is missing is listed too, as "[unknown]".
        devices = [path for path, vg in found if vg == self._vg and path.startswith("/")]
        if devices:
            config.write(self._directory, devices)
        return devices

    def report(self) -> report.Group:
        """The whole group as it is now; raises `Unavailable` if LVM does not see it any more."""
        try:
            said = self.run(commands.full_report(self._vg))
        except NotFound as error:
            # Whoever asked for a volume must not take it for absent.
            raise Unavailable(f"volume group {self._vg} cannot be read: {error}") from error
        return report.parse(said.stdout)

    def run(self, argv: Sequence[str]) -> Result:
        """Run to the end whatever the caller's deadline: LVM must not be cut off in a change.

        Raises a named error of `drivers.errors`, `Busy` while another program holds the lock.
        """
        left = remaining()
        patience = self._patience if left is None else min(self._patience, left)
        until, pause = time.monotonic() + patience, 0.05
        while True:
            began = time.monotonic()
            try:
                resident = self._resident() if _is_quick(argv) else None
                return self._run(argv, wait=True, environment=self._environment, resident=resident)
            except CommandFailed as failed:
                self.was_killed |= failed.code < 0
                if not LOCKED.search(failed.stderr):
                    raise self._named(argv, failed) from failed
                took = time.monotonic() - began
                if began + took + pause + took > until:
                    raise Busy(
                        f"another program holds the lock of volume group {self._vg}; ask again"
                    ) from failed
            # LVM's own wait has no limit (wait_for_locks = 0 turns it off), so this is the wait.
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    def step(self, what: str) -> None:
        """See `drivers.exec.Run.step`."""
        self._run.step(what)

    def _resident(self) -> Resident | None:
        try:
            read = (self._directory / config.FILE).stat()
        except FileNotFoundError:
            return None
        return Resident(RESIDENT, (read.st_ino, read.st_mtime_ns, self._lacked))

    def _named(self, argv: Sequence[str], failed: CommandFailed) -> StorageError:
        if lacking := targets.missing(failed):
            # The library remembers for ever that a target was missing; another one asks again.
            self._lacked += 1
            return lacking
        return targets.missing_personality(_type(argv), failed) or _named(failed)


def _is_quick(argv: Sequence[str]) -> bool:
    """Whether the resident can be given a command."""
    plain = all(PLAIN.fullmatch(word) for word in argv)
    return argv[1] in QUICK and len(argv) <= WORDS and plain


def _type(argv: Sequence[str]) -> str:
    """The type of the volume that a command makes, if it says one."""
    return argv[argv.index("--type") + 1] if "--type" in argv else ""


def _named(failed: CommandFailed) -> StorageError:
    for pattern, error, meaning in FAILURES:
        if pattern.search(failed.stderr):
            return error(f"{meaning}: {' '.join(failed.stderr.split())[-400:]}")
    return failed
