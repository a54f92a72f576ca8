"""Locks by object, which refuse instead of queueing.

A CSI caller repeats what was ABORTED, so a second call for an object in work is told so at once; a
queue would only fill the server's threads. Several keys are taken together or not at all, so no order
of taking them has to be agreed on, and nothing can deadlock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.errors import Busy


class Locks:
    """The keys of what is in work. One object of it is shared by everybody who changes volumes."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held: set[str] = set()

    def is_held(self, key: str) -> bool:
        """Whether somebody holds ``key`` now."""
        return key in self._held

    @contextmanager
    def hold(self, *keys: str) -> Iterator[None]:
        """Hold all ``keys`` for the block; raises `Busy`, holding none, if any is taken."""
        wanted = set(keys)
        with self._guard:
            if taken := wanted & self._held:
                raise Busy(f"another operation on {', '.join(sorted(taken))} is running; ask again")
            self._held |= wanted
        try:
            yield
        finally:
            with self._guard:
                self._held -= wanted
