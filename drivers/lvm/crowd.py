"""Threads that do the same to several things at one moment, for the program that cuts.

Imported by a program that has to start at once: it imports nothing but what it needs.
"""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Crowd:
    """Threads that wait for the word, and then do something to one thing each, all at once."""

    def __init__(self, call: Callable[[str], None], things: list[str]) -> None:
        self._call, self._word, self._is_off = call, threading.Event(), False
        self._done: list[str] = []
        self._errors: list[OSError] = []
        begin = threading.Thread
        self._threads = [begin(target=self._one, args=(each,), daemon=True) for each in things]
        for each in self._threads:
            each.start()

    def act(self) -> bool:
        """Give the word, and wait for all; whether all did it. Raises the first of their errors."""
        self._word.set()
        self._join()
        if self._errors:
            raise self._errors[0]
        return len(self._done) == len(self._threads)

    def call_off(self) -> None:
        """When this returns nobody acts, and nobody will."""
        self._is_off = True
        self._word.set()
        self._join()

    def _join(self) -> None:
        for each in self._threads:
            each.join()

    def _one(self, thing: str) -> None:
        self._word.wait()
        if self._is_off:
            return
        try:
            self._call(thing)
        except OSError as error:
            self._errors.append(error)
        else:
            self._done.append(thing)
