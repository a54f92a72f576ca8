"""The door to programs with a count at it, where a process can be told to die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from drivers.errors import CommandFailed
from drivers.exec import Arg, Host, Result
from drivers.lvm.host import LOCKED
from tests.crash import boundaries
from tests.crash.boundaries import Boundary

HOST = Host()
"""Behind every door, also for looks past it. It is used in forked processes only, each of which has its own
copy, and starts its own LVM."""
SOON = 0.03
"""Seconds from the start of a program to the death of the process that started it."""


class Moment(Enum):
    """When to die at a boundary."""

    BEFORE = "before"
    DURING = "during"
    """The program has been started and lives on alone, as it does in a real crash."""
    END = "at the end"
    """All is done, and the caller has not been told."""


@dataclass(frozen=True, slots=True)
class Death:
    """The moment for a process to get SIGKILL; ``number`` counts its boundaries from 0."""

    number: int
    moment: Moment = Moment.BEFORE


class Door:
    """A `Run` that tells each boundary before it lets anything happen."""

    def __init__(self, tell: Callable[[Boundary], None], death: Death | None) -> None:
        self._inner = HOST
        self._tell = tell
        self._death = death
        self._guard = threading.Lock()
        self._met = 0
        # What met a lock changed nothing, and is started again: that is no other boundary.
        self._locked_out: set[tuple[Arg, ...]] = set()
        self.counts = False
        """Whether boundaries are told and counted yet."""
        self.last_step = ""
        """The step at which to die, whether boundaries are counted or not."""

    def __call__(self, argv: Sequence[Arg], **manner: Any) -> Result:
        """See `drivers.exec.Run`."""
        again = tuple(argv) in self._locked_out
        self._locked_out.discard(tuple(argv))
        dies = not again and self._meet(boundaries.program(argv))
        try:
            return self._inner(argv, **manner)
        except CommandFailed as failed:
            if LOCKED.search(failed.stderr):
                self._locked_out.add(tuple(argv))
            raise
        finally:
            if dies:  # it was quicker than the timer
                die()

    def step(self, what: str) -> None:
        """See `drivers.exec.Run.step`."""
        if what == self.last_step:
            die()
        self._meet(boundaries.step(what))

    def _meet(self, boundary: Boundary) -> bool:
        """Tell of a boundary and die, if it is time; returns whether that will be soon."""
        if not self.counts or boundary.looks:
            return False
        with self._guard:
            self._tell(boundary)
            number, self._met = self._met, self._met + 1
        if self._death == Death(number, Moment.BEFORE):
            die()
        if self._death == Death(number, Moment.DURING):
            threading.Timer(SOON, die).start()
            return True
        return False


def die() -> None:
    """Get SIGKILL, as from the kernel when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)
