"""The first process of a container, which outlives the driver by what that leaves to be finished.

The kernel kills everything in a container when its first process ends, whatever it died of. The driver has
companions that must not die with it: the program that suspends volumes for a group snapshot and its
guardian, and LVM in the middle of a change, unless that takes long. So where the driver would be the first
process, that one only passes signals on, reaps what has ended, and ends when nobody else is left. It forks
the driver before it has imported anything, and so stays small.

Inits that others wrote end with the program that they started.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Set

PASSED_ON = {signal.SIGTERM, signal.SIGINT}
"""What asks for an end. Of the others, which a driver has no use for, a first process never hears."""
PATIENCE = 35.0
"""Seconds for those that are left: a guardian gives the kernel half a minute. What takes longer is killed."""


def outlive() -> None:
    """Return in a new process, if this is the first one of a container; that one never returns."""
    if os.getpid() == 1:
        watch()


def watch(patience: float = PATIENCE) -> None:
    """Return in a new process. This one ends when all that are left to it have, or after ``patience`` s.

    Its exit status is that of the new process, or as a shell tells of a signal 128 and its number.
    """
    heard = PASSED_ON | {signal.SIGCHLD}
    # Whoever started this may have it ignored: then children go without a word.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    child = os.fork()
    if child:
        status = _ended(child, heard)
        _wait_for_others(patience)
        os._exit(status if status >= 0 else 128 - status)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ended(child: int, heard: Set[signal.Signals]) -> int:
    """Pass on what comes until the child ends; its exit status, negative for a signal."""
    while True:
        told = signal.sigwaitinfo(heard)
        if told.si_signo == signal.SIGCHLD:
            for pid, status in _taken_away():
                if pid == child:
                    return status
        elif told.si_code <= 0:  # by a process: Ctrl-C has told the child as well
            os.kill(child, told.si_signo)


def _wait_for_others(patience: float) -> None:
    until = time.monotonic() + patience
    while _are_left():
        if (left := until - time.monotonic()) <= 0:
            said = "hearth: what the driver left is not finished, and is killed: the next one mends it\n"
            os.write(2, said.encode())  # the driver's log is gone with it
            return
        signal.sigtimedwait({signal.SIGCHLD}, left)


def _are_left() -> bool:
    """Whether there are children, when all that have ended are taken away."""
    _taken_away()
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _taken_away() -> list[tuple[int, int]]:
    """Children that have ended, with their exit status; those that a dead process left are ours too."""
    found = []
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            found.append((ended[0], os.waitstatus_to_exitcode(ended[1])))
    except ChildProcessError:
        pass
    return found
