"""Ending what the lab started: on a signal, when the time is over, when nobody listens any more."""

import ctypes
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

# SIGPIPE is raised by the pumps when whoever read the command's output has gone.
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
PR_SET_CHILD_SUBREAPER = 36


class Stopper:
    """Kills one process group when a signal comes, and remembers which signal it was.

    The handlers raise nothing: the wait for the group ends because the group does, and cleaning
    up is never interrupted half-way.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._group: int | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Replace the signals' usual effect for as long as there is something to clean up."""
        previous = {number: signal.signal(number, self._interrupted) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def wait(self, process: subprocess.Popen[bytes], timeout: float | None) -> bool:
        """Wait until the leader of a process group ends, then end and reap the whole group.

        True when it ended in time, by itself or because of a signal.
        """
        self._group = process.pid
        if self.signal is not None:  # it came before there was anything to kill
            self._kill()
        in_time = _ends_within(process.pid, timeout)
        self._kill()
        self._group = None
        process.wait()
        _end_orphans()
        return in_time

    def _interrupted(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number
        self._kill()

    def _kill(self) -> None:
        # The leader is not reaped before `_group` is cleared, so the number is still ours.
        if self._group is not None:
            os.killpg(self._group, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of whatever outlives its own parent, so that it can be waited for."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)


def _ends_within(pid: int, timeout: float | None) -> bool:
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))
    finally:
        os.close(pidfd)


def _end_orphans() -> None:
    """Kill and reap what was adopted, until nothing is left."""
    while orphans := _children():
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _children() -> list[int]:
    # The kernel gives orphans to the main thread, and no other thread starts programs.
    return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
