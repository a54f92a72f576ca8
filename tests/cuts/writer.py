"""A program that writes one number after the other, each to all places in their order, durably.

Run as ``python -I -S writer.py KIND PLACE...``: ``raw`` writes to devices past the page cache, ``files`` to a
file in each directory, and syncs it. It says ``writing`` after the first round, and when its input
ends, how many rounds there were and the seconds of the longest write.
"""

from __future__ import annotations

import mmap
import os
import select
import sys
import time

BLOCK = 4096
FLAGS = {
    "raw": os.O_WRONLY | os.O_DIRECT | os.O_SYNC,
    "files": os.O_WRONLY | os.O_CREAT,
}


def opened(kind: str, place: str) -> int:
    return os.open(place if kind == "raw" else f"{place}/number", FLAGS[kind], 0o600)


def write(kind: str, places: list[int], number: int, room: mmap.mmap) -> float:
    """One round; the seconds of its longest write."""
    room[:8] = number.to_bytes(8, "big")
    longest = 0.0
    for place in places:
        began = time.monotonic()
        os.pwrite(place, memoryview(room)[:BLOCK], 0)
        if kind == "files":
            os.fsync(place)
        longest = max(longest, time.monotonic() - began)
    return longest


def main(kind: str, *names: str) -> None:
    """Write until there is no more input."""
    places = [opened(kind, each) for each in names]
    number, longest = 0, 0.0
    with mmap.mmap(-1, BLOCK) as room:
        while not select.select([sys.stdin], [], [], 0)[0]:
            number += 1
            longest = max(longest, write(kind, places, number, room))
            if number == 1:
                print("writing", flush=True)
    print(f"{number} {longest:.6f}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
