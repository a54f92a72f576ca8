"""How far a copy is, for whoever waits: on standard error, so that what is copied can go to the other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

from csi.cli.output import human

SOON = 0.2
"""Seconds between two looks of a person at a line that changes."""
NOW_AND_THEN = 5.0
"""Seconds between two lines of a log."""


class Progress:
    """Of a copy of ``total`` bytes: a line that changes on a terminal, lines now and then elsewhere."""

    def __init__(
        self,
        total: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.total = total
        self._stream = stream or sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._began = self._said = clock()
        self._done = 0

    def more(self, size: int) -> None:
        """So many bytes more are there."""
        self._done += size
        pause = SOON if self._terminal else NOW_AND_THEN
        if self._clock() - self._said >= pause:
            self._say()

    def end(self) -> None:
        """All is there; nothing is said of a copy that was over before anybody asked."""
        if self._said > self._began:
            self._say()
            if self._terminal:
                print(file=self._stream)

    def _say(self) -> None:
        self._said = self._clock()
        speed = self._done / max(self._said - self._began, 1e-9)
        line = f"{human(self._done)} of {human(self.total)}, {human(int(speed))}/s"
        if self._terminal:
            print(f"\r{line:<60}", end="", file=self._stream, flush=True)
        else:
            print(line, file=self._stream, flush=True)
