"""One guest a core: guests that share a core slow each other down more than they gain.

A guest is two processes that take turns, and the time limits of what runs in it go by the clock. So
a guest holds its core for as long as it runs, and whoever comes when all are taken waits.
"""

import fcntl
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(core: int | None) -> Iterator[int]:
    """Hold ``core``, or whichever allowed one is free, for the block; waits for it.

    The lock goes with the process that holds it, however that ends.
    """
    wanted = sorted(os.sched_getaffinity(0)) if core is None else [core]
    files = [_lock_file(each) for each in wanted]
    try:
        for number, descriptor in zip(wanted, files, strict=True):
            if _taken(descriptor):
                yield number
                return
        print("lab: every core runs a guest; waiting for one to end", file=sys.stderr, flush=True)
        chosen = os.getpid() % len(wanted)
        fcntl.flock(files[chosen], fcntl.LOCK_EX)
        yield wanted[chosen]
    finally:
        for descriptor in files:
            os.close(descriptor)


def _lock_file(core: int) -> int:
    path = Path(tempfile.gettempdir()) / f"hearth-lab-core-{core}.lock"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
