"""Runs the program that cuts, and lets somebody die, or the program linger, before one of its kernel calls.

Run as ``python -I -S dying.py WHO NUMBER PROGRAM``: WHO of ``itself``, ``guardian``, ``driver``, ``both``,
``abandoned`` (all but the guardian), ``all`` gets SIGKILL, or the program ``lingers``, before its
device-mapper or freezing call NUMBER (from 0).
With ``twice`` it dies itself, and then the guardian before its second call, when it has let one device go on.
"""

from __future__ import annotations

import fcntl
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

BTRFS_IOC_FS_INFO = 0x8400941F
WHO, NUMBER, PROGRAM = sys.argv[1], int(sys.argv[2]), sys.argv[3]
LINGERS = 2.0
"""Seconds, more than writers may wait."""
ITSELF, DRIVER = os.getpid(), os.getppid()


def guardians() -> list[int]:
    """The processes that this one has begun, by the numbers of the outermost container."""
    told = [each.read_text() for each in Path("/proc/self/task").glob("*/children")]
    return [int(each) for text in told for each in text.split()]


def die() -> None:
    """What was asked for happens."""
    doomed = {
        "itself": [ITSELF],
        "twice": [ITSELF],
        "guardian": guardians(),
        "driver": [DRIVER],
        "abandoned": [DRIVER, ITSELF],
        "both": [*guardians(), ITSELF],
        "all": [DRIVER, *guardians(), ITSELF],
        "lingers": [],
    }[WHO]
    for each in doomed:
        os.kill(each, signal.SIGKILL)
    time.sleep(LINGERS if WHO == "lingers" else 0)


def counting(inner: Callable[..., Any]) -> Callable[..., Any]:
    """The calls of this process, and for one that dies ``twice`` those of its guardian."""
    calls, afterwards = count(), count()

    def ioctl(*args: Any) -> Any:
        if args[1] == BTRFS_IOC_FS_INFO:
            return inner(*args)  # it only looks
        if os.getpid() == ITSELF:
            if next(calls) == NUMBER:
                die()
        elif WHO == "twice" and next(afterwards) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*args)

    return ioctl


fcntl.ioctl = counting(fcntl.ioctl)
sys.argv = [PROGRAM]
runpy.run_path(PROGRAM, run_name="__main__")
