"""Lives of processes: each is forked from one that has imported everything and started nothing.

What a process met is told through a pipe while it lives, so it is known of those that were killed too.
"""

from __future__ import annotations

import io
import os
import pickle
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tests.crash.boundaries import Boundary
from tests.crash.door import Death, Door

PATIENCE = 120.0
"""Seconds after which a process hangs: on a frozen device, for example."""

Work = Callable[[Door], object]


@dataclass(slots=True)
class Life:
    """How a process went. ``answer`` is what its work returned."""

    met: list[Boundary] = field(default_factory=list)
    killed: bool = False
    answer: Any = None


def live(work: Work, death: Death | None = None) -> Life:
    """Do ``work`` in a process of its own, which may not live to finish it.

    Raises `AssertionError` with the traceback if the work failed, or if the process hangs.
    """
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.close(reader)
        _be_child(work, death, writer)
    os.close(writer)
    heard, hangs = _listen(reader, child)
    _, status = os.waitpid(child, 0)
    life, failure = _understood(heard)
    life.killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    assert not hangs, f"a process hung after {life.met[-1].text if life.met else 'its start'}"
    assert not failure, f"in a process of its own: {failure}"
    assert life.killed or status == 0, f"a process ended with status {status}"
    return life


def _listen(reader: int, child: int) -> tuple[bytes, bool]:
    """All that the child says before it ends, and whether it had to be ended for taking too long."""
    heard, until = bytearray(), time.monotonic() + PATIENCE
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    try:
        while True:
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                os.kill(child, signal.SIGKILL)
                return bytes(heard), True
            if not (said := os.read(reader, 1 << 16)):
                return bytes(heard), False
            heard += said
    finally:
        os.close(reader)


def _understood(heard: bytes) -> tuple[Life, str]:
    life, failure, stream = Life(), "", io.BytesIO(heard)
    while stream.tell() < len(heard):
        kind, said = pickle.load(stream)  # noqa: S301  (our own child's)
        if kind == "met":
            life.met.append(said)
        elif kind == "answer":
            life.answer = said
        else:
            failure = said
    return life, failure


def _be_child(work: Work, death: Death | None, writer: int) -> NoReturn:
    def tell(kind: str, said: object) -> None:
        _write(writer, pickle.dumps((kind, said)))

    status = 1
    try:
        tell("answer", work(Door(lambda boundary: tell("met", boundary), death)))
        status = 0
    finally:
        # Nothing may unwind from here into a second run of the tests.
        if status:
            tell("failure", traceback.format_exc())
        os._exit(status)


def _write(descriptor: int, said: bytes) -> None:
    view = memoryview(said)
    while view:
        view = view[os.write(descriptor, view) :]
