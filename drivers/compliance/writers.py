"""Users who rely on the order of their writes, and what is seen in a copy that is made of several moments.

One of them writes to both ends of a volume, the other to several volumes: a number to the first, and when
that is stored to the second, and so on, then the next number. So at every moment each volume shows the same
number as the one before it, or the one before that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count, pairwise

from drivers.compliance.bench import PATIENCE, write_device
from drivers.model import Connection

NUMBER = 4096
"""The bytes that are written at once: a block of every device."""


Place = tuple[Connection, int]
"""A device and the byte of it to write at."""


@contextmanager
def moving(connection: Connection) -> Iterator[None]:
    """A user who, for the block, writes one number after the other at the begin and then at the end."""
    with _writing([(connection, 0), (connection, connection.size - NUMBER)]):
        yield


@contextmanager
def ordered(connections: Sequence[Connection]) -> Iterator[None]:
    """For the block, somebody writes one number after the other, each to all devices in their order."""
    with _writing([(each, 0) for each in connections]):
        yield


@contextmanager
def _writing(places: Sequence[Place]) -> Iterator[None]:
    begun, stop = threading.Event(), threading.Event()

    def write() -> None:
        for number in count(1):
            for connection, at in places:
                write_device(connection, number.to_bytes(NUMBER, "big"), at)
            begun.set()
            if stop.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert begun.wait(PATIENCE), "nothing could be written: there is no order to be seen"
        yield
    finally:
        stop.set()
        writer.join()


def torn(content: bytes) -> bool:
    """Whether this copy of what a moving user wrote shows two moments: an end that is ahead of its begin."""
    begin, end = (int.from_bytes(part, "big") for part in (content[:NUMBER], content[-NUMBER:]))
    return begin - end not in (0, 1)


def number(content: bytes) -> int:
    """The number in what a volume holds."""
    return int.from_bytes(content[:NUMBER], "big")


def broken(numbers: Sequence[int]) -> bool:
    """Whether no moment showed these numbers, in the order in which they are written."""
    falling = all(one >= other for one, other in pairwise(numbers))
    return not falling or numbers[0] - numbers[-1] > 1
