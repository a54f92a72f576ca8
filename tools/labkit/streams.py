"""Bytes on their way between a guest and whoever runs the lab, each way a thread of its own.

The guest's consoles are pipes, never the caller's own descriptors: user-mode Linux would make
those non-blocking for everybody who shares them.
"""

import os
import signal
import threading

CHUNK = 1 << 16


class Pump(threading.Thread):
    """Copies everything from one descriptor to another, as soon as it comes."""

    def __init__(self, source: int, target: int) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._target = target
        self._main = threading.get_ident()

    def run(self) -> None:
        try:
            while chunk := os.read(self._source, CHUNK):
                _write(self._target, chunk)
        except BrokenPipeError:
            # Nobody reads any more: end like any program that writes into a closed pipe. Only
            # the main thread runs handlers, and it must be woken from its wait.
            signal.pthread_kill(self._main, signal.SIGPIPE)


class Tail(threading.Thread):
    """Keeps the end of what the guest's kernel says, for the day it says why it died."""

    def __init__(self, source: int, keep: int = 1 << 16) -> None:
        super().__init__(daemon=True)
        self._source = source
        self._keep = keep
        self._kept = b""

    def run(self) -> None:
        while chunk := os.read(self._source, CHUNK):
            self._kept = (self._kept + chunk)[-self._keep :]

    def text(self) -> str:
        """What was kept; complete once the thread is joined."""
        return self._kept.decode(errors="replace")


def _write(target: int, chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:
        rest = rest[os.write(target, rest) :]
