"""The way in and out of the server: counts the calls inside, and can be closed.

gRPC's own shutdown gives the socket up first and then waits. A successor could start meanwhile and
repeat a call that the predecessor is still working on, and their locks know nothing of each other. So
calls are turned away while the socket is still held, and it is given up when the last has left.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.errors import Unavailable


class Gate:
    """Open until it is closed. One object of it is shared by all calls of a server."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._closed = False

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside for the block; raises `Unavailable` once the gate is closed."""
        with self._changed:
            if self._closed:
                raise Unavailable("this Hearth is shutting down; ask its successor")
            self._inside += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nobody is let in any more."""
        return self._closed

    def close(self, grace: float) -> bool:
        """Let nobody in any more; whether everybody has left within ``grace`` seconds."""
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: self._inside == 0, grace)
