"""Processes that are killed at a chosen step.

The steps of a driver are what Python's audit events tell of it: every program it starts, every command
that it gives to a program kept running (`drivers.residents`), every ioctl, every file that it opens for
writing, renames, truncates or removes, and every connection. A child process gets SIGKILL just before
one of them, so that each state between two steps is met.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from drivers.compliance.subjects import Bed
from drivers.interface import VolumeDriver

STEPS = frozenset(
    {
        "drivers.residents.ask",
        "fcntl.ioctl",
        "os.link",
        "os.mkdir",
        "os.posix_spawn",
        "os.remove",
        "os.removexattr",
        "os.rename",
        "os.rmdir",
        "os.setxattr",
        "os.symlink",
        "os.truncate",
        "socket.connect",
        "subprocess.Popen",
    }
)
CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
Work = Callable[[VolumeDriver], object]


@dataclass(frozen=True, slots=True)
class Life:
    """How a child process went: the steps it took, and whether it was killed before another."""

    steps: Sequence[str]
    killed: bool


class Steps:
    """Counts the steps of this process, and ends it before the one numbered ``last`` (from 0)."""

    def __init__(self, last: int | None) -> None:
        self.taken: list[str] = []
        self.armed = False
        self._last = last

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        """The audit hook: called by the interpreter before each event."""
        if self.armed and _is_step(event, args):
            if len(self.taken) == self._last:
                os.kill(os.getpid(), signal.SIGKILL)
            self.taken.append(f"{event} {args[0] if args else ''}".strip())


def live(bed: Bed, work: Work, kill_before: int | None = None) -> Life:
    """Do ``work`` with a driver of its own in a child process, which may not live to finish it.

    Raises `AssertionError` with the child's traceback if the work failed.
    """
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        _be_child(bed, work, kill_before, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as told:
        said = told.read()
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and status != 0:
        raise AssertionError(f"in a child process: {said.decode(errors='replace')}")
    return Life([] if killed else pickle.loads(said), killed)  # noqa: S301  (our own child's)


def points(steps: int, at_most: int | None) -> Sequence[int]:
    """The numbers of the steps to be killed before: all, or so many of them evenly."""
    if at_most is None or steps <= at_most:
        return range(steps)
    return sorted({(2 * number + 1) * steps // (2 * at_most) for number in range(at_most)})


def _is_step(event: str, args: tuple[object, ...]) -> bool:
    if event == "open":
        flags = args[2]
        return isinstance(flags, int) and bool(flags & CHANGING)
    return event in STEPS


def _be_child(bed: Bed, work: Work, kill_before: int | None, writer: int) -> NoReturn:
    said, status = b"", 1
    try:
        steps = _do(bed, work, kill_before)
        said, status = pickle.dumps(steps), 0
    except BaseException:  # noqa: BLE001  (it must not unwind into a second test run)
        said = traceback.format_exc().encode()
    finally:
        with suppress(OSError), os.fdopen(writer, "wb") as out:
            out.write(said)
        os._exit(status)


def _do(bed: Bed, work: Work, kill_before: int | None) -> Sequence[str]:
    driver = bed.open()
    steps = Steps(kill_before)
    sys.addaudithook(steps)
    steps.armed = True
    work(driver)
    steps.armed = False
    driver.close()
    return steps.taken
