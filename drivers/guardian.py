"""The program that keeps a filesystem frozen for a moment, and thaws it whatever happens to its parent.

Run by path as ``python -I -S guardian.py MOUNTPOINT SECONDS``, so that it starts at once and imports
nothing of ours. It freezes, says ``frozen`` on its standard output, and waits for its standard input
to say something or to end. It exits with 0 if that came in time, with 1 if the seconds ran out
first, with 2 if it could not freeze.

A process of its own, because a frozen filesystem stays frozen when the process that froze it is
killed: then every writer on it hangs until somebody thaws it.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys

FIFREEZE = 0xC0045877
FITHAW = 0xC0045878
BTRFS_IOC_SYNC = 0x9408

IN_TIME, TOO_LATE, NOT_FROZEN = range(3)


def guard(mountpoint: str, seconds: float) -> int:
    """Freeze, wait, thaw; returns the exit status."""
    # A single file may be mounted too.
    filesystem = os.open(mountpoint, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    # Written out before, so that the freeze itself finds little to write while writers wait.
    fcntl.ioctl(filesystem, BTRFS_IOC_SYNC)
    try:
        fcntl.ioctl(filesystem, FIFREEZE, 0)
    except OSError as error:
        os.write(sys.stdout.fileno(), str(error.strerror).encode())
        return NOT_FROZEN
    try:
        return _wait(seconds)
    finally:
        fcntl.ioctl(filesystem, FITHAW, 0)


def _wait(seconds: float) -> int:
    try:
        os.write(sys.stdout.fileno(), b"frozen")
    except BrokenPipeError:
        return TOO_LATE
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return IN_TIME if ready else TOO_LATE


if __name__ == "__main__":
    sys.exit(guard(sys.argv[1], float(sys.argv[2])))
