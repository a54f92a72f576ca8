"""A life in a container: in process numbers of its own, where everything ends with the first process."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

from csi import init

CLONE_NEWPID = 0x20000000
KILLED = 128 + signal.SIGKILL
LIBC = ctypes.CDLL(None, use_errno=True)


def contained(act: Callable[[], object]) -> None:
    """Do it in a process that the container's first one begins; this one ends as the container does."""
    if LIBC.unshare(CLONE_NEWPID):
        raise OSError(ctypes.get_errno(), "unshare")
    if first := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
        if status == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(status)
    init.outlive()
    act()
    os._exit(0)
