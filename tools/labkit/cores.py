"""One guest a core: guests that share a core slow each other down more than they gain.

A guest is two processes that take turns, and the time limits of what runs in it go by the clock. So
a guest holds its core for as long as it runs, and whoever comes when all are taken waits.
"""

import fcntl
import os
import queue
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

# A folder of the kernel's own for each core: locking it needs no file that somebody has to make,
# may not open, or must remove.
FOLDER = "/sys/devices/system/cpu/cpu{core}"


@contextmanager
def held(core: int | None) -> Iterator[int]:
    """Hold ``core``, or whichever allowed one is free first, for the block; waits for it.

    The lock goes with the process that holds it, however that ends.
    """
    wanted = sorted(os.sched_getaffinity(0)) if core is None else [core]
    lock = _free_one(wanted)
    if lock is None:
        print("lab: every core runs a guest; waiting for one to end", file=sys.stderr, flush=True)
        lock = _first(wanted)
    try:
        yield lock.core
    finally:
        lock.release()


@contextmanager
def shared(core: int | None) -> Iterator[int]:
    """``core``, or any: for a person at a prompt, who must not keep others waiting for hours."""
    allowed = sorted(os.sched_getaffinity(0))
    yield allowed[os.getpid() % len(allowed)] if core is None else core


class _Lock:
    def __init__(self, core: int) -> None:
        self.core = core
        self._descriptor = os.open(FOLDER.format(core=core), os.O_RDONLY)

    def take(self, *, wait: bool) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def release(self) -> None:
        os.close(self._descriptor)


def _free_one(cores: Sequence[int]) -> _Lock | None:
    for lock in map(_Lock, cores):
        if lock.take(wait=False):
            return lock
        lock.release()
    return None


def _first(cores: Sequence[int]) -> _Lock:
    """Wait for all at the same time, and give back what comes when it is too late."""
    got: queue.Queue[_Lock] = queue.Queue()
    needed = threading.Semaphore(1)

    def wait(lock: _Lock) -> None:
        lock.take(wait=True)
        if needed.acquire(blocking=False):
            got.put(lock)
        else:
            lock.release()

    for lock in map(_Lock, cores):
        threading.Thread(target=wait, args=(lock,), daemon=True).start()
    return got.get()
