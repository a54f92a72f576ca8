"""Something that could not be done, tried again in the background until it is."""

from __future__ import annotations

import threading
from collections.abc import Callable

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


class Later:
    """Tries again once it is asked to, less and less often; does nothing until then."""

    def __init__(self, name: str, act: Callable[[], bool], pause: float = FIRST_PAUSE) -> None:
        """``act`` says whether it is done, and raises nothing that it can do without."""
        self._name = name
        self._act = act
        self._pause = self._next = pause
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have it tried, after a pause; more than once is as good as once."""
        self._wanted.set()
        with self._starting:
            if self._thread is None:
                self._start()

    def close(self) -> None:
        """Try no more, and wait for the try under way."""
        with self._starting:
            self._stopping.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if not self._stopping.is_set():
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            self._try()
        finally:
            # What it raised is a bug, which the thread's hook tells; it may be none the next time.
            self._wanted.set()
            with self._starting:
                self._start()

    def _try(self) -> None:
        while not self._stopping.is_set():
            self._wanted.wait()
            self._wanted.clear()
            while not self._stopping.wait(self._paused()) and not self._act():
                pass
            self._next = self._pause

    def _paused(self) -> float:
        pause, self._next = self._next, min(2 * self._next, LONGEST_PAUSE)
        return pause
