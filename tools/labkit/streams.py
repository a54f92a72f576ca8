"""Bytes on their way between a guest and whoever runs the lab, each way a thread of its own.

The guest's consoles are pipes, never the caller's own descriptors: user-mode Linux would make
those non-blocking for everybody who shares them.
"""

import os
import threading
from collections.abc import Callable

CHUNK = 1 << 16


class Pipe:
    """A pipe whose writing end goes to the guest; the reading end sees the end of its last process."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def close_writer(self) -> None:
        os.close(self.writer)


class Pump(threading.Thread):
    """Copies everything from a pipe to a descriptor, as soon as it comes."""

    def __init__(self, pipe: Pipe, target: int, consumer_gone: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._target = target
        self._consumer_gone = consumer_gone

    def run(self) -> None:
        try:
            while chunk := os.read(self._pipe.reader, CHUNK):
                _write(self._target, chunk)
        except BrokenPipeError:
            self._consumer_gone()
        finally:
            os.close(self._pipe.reader)


class Tail(threading.Thread):
    """Keeps the end of what the guest's kernel says, for the day it says why it died."""

    def __init__(self, pipe: Pipe, keep: int = 1 << 16) -> None:
        super().__init__(daemon=True)
        self._pipe = pipe
        self._keep = keep
        self._kept = b""

    def run(self) -> None:
        while chunk := os.read(self._pipe.reader, CHUNK):
            self._kept = (self._kept + chunk)[-self._keep :]
        os.close(self._pipe.reader)

    def text(self) -> str:
        return self._kept.decode(errors="replace")


def _write(target: int, chunk: bytes) -> None:
    while chunk:
        chunk = chunk[os.write(target, chunk) :]
