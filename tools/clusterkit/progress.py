"""Saying what is going on: building and starting take long enough to wonder."""

import sys
import time

BEGAN = time.monotonic()


def say(text: str) -> None:
    """A line with the seconds since this command began; standard output is for answers."""
    print(f"cluster: {time.monotonic() - BEGAN:6.1f} s  {text}", file=sys.stderr, flush=True)
