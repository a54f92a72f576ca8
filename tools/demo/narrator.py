"""What the audience sees: each step with its seconds, each pair of digests, and the total."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Differs(Exception):
    """Something is not what it should be; the demo has failed."""


class Narrator:
    """Prints as things happen, so that a step that hangs is seen to."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._compared = 0

    def chapter(self, title: str) -> None:
        """Begin a part of the story."""
        print(f"\n{title}\n{'-' * len(title)}", flush=True)

    @contextmanager
    def step(self, verb: str, what: str) -> Iterator[list[str]]:
        """Time a step; what is appended to the list it gives is told beside the result."""
        print(f"  {verb:<10} {what} ", end="", flush=True)
        began = time.monotonic()
        told: list[str] = []
        yield told
        facts = "".join(f"\n{'':13}{fact}" for fact in told)
        print(f"({time.monotonic() - began:.1f} s){facts}", flush=True)

    def same(self, what: str, found: object, wanted: object) -> None:
        """Tell that two values are equal; raises `Differs` if they are not."""
        if found != wanted:
            print(f"  DIFFERS    {what}: {found}, not {wanted}", flush=True)
            raise Differs(f"{what}: {found}, not {wanted}")
        self._compared += 1
        print(f"  same       {what}: {_short(found)}", flush=True)

    def end(self) -> None:
        """The last line."""
        seconds = time.monotonic() - self._began
        print(f"\nDone in {seconds:.0f} s: {self._compared} comparisons, all equal.", flush=True)


def _short(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "nothing"
    text = str(value)
    # 16 hex digits of a SHA-256 are enough to look at; all of them were compared.
    is_digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return f"sha256 {text[:16]}…" if is_digest else text
