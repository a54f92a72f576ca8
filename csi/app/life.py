"""The life of a process: its parts are started together, and stopped in order.

Start: listen first, then begin with the work, because kubelet and sidecars wait for the socket and not
for disks. Stop: say so, let calls in work end, then the background work.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Protocol

from csi.metrics import CONTENT_TYPE, Metrics
from csi.web import Answer, Web

log = logging.getLogger(__name__)

GRACE = 25.0
"""Seconds that calls in work have to end. Kubelet kills 30 s after it asked to stop, or as the chart says."""


class Serves(Protocol):
    """A server: `csi.rpc.server.Server`, or something that keeps one."""

    def start(self) -> None: ...

    def stop(self, grace: float) -> bool: ...


class Work(Protocol):
    """What goes on beside the calls: backends that are set up, nodes that are listened to."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class Part(Protocol):
    """What works in threads of its own, and is of no use once they have ended."""

    def alive(self) -> bool: ...


@dataclass(slots=True)
class Status:
    """Whether the process takes calls, for Probe and /readyz."""

    settled: Callable[[], bool]
    stopping: bool = False

    def ready(self) -> bool:
        """From the moment that the work is settled, until the end is announced."""
        return self.settled() and not self.stopping


class App:
    """One process: its parts, started together and stopped in order."""

    def __init__(
        self,
        servers: Sequence[Serves],
        web: Web | None,
        work: Work,
        status: Status,
        grace: float = GRACE,
    ) -> None:
        """``servers`` are started in their order, and stopped in the opposite one."""
        self.web = web
        self._servers = servers
        self._work = work
        self._status = status
        self._grace = grace

    def start(self) -> None:
        """Listen, then begin to work. Raises what a server does that cannot listen."""
        for server in self._servers:
            server.start()
        if self.web:
            self.web.start()
        self._work.start()

    def stop(self) -> bool:
        """End in order; whether all calls had ended within the grace."""
        self._status.stopping = True
        end = time.monotonic() + self._grace
        done = [one.stop(max(0.0, end - time.monotonic())) for one in reversed(self._servers)]
        self._work.close()
        if self.web:
            self.web.stop()
        return all(done)

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        with _signals() as asked:
            self.start()
            log.info("serving")
            asked()
            log.info("stopping: letting calls end for at most %.0f s", self._grace)
            if not self.stop():
                log.warning(
                    "calls were still in work after %.0f s; they will be repeated", self._grace
                )


@contextmanager
def _signals() -> Iterator[Callable[[], object]]:
    """For the block, SIGTERM and SIGINT do nothing but end a call of what is given.

    The kernel may hand a signal to any thread. Python runs a handler in the main thread, and where that
    waits for a lock, an Event or a queue, nobody wakes it. What does is a byte that the interpreter itself
    writes at once, in whichever thread it was.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: None)
    try:
        yield partial(os.read, reader, 1)
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)


def pages(metrics: Metrics, status: Status, waiting: str) -> Mapping[str, Callable[[], Answer]]:
    """What is answered over HTTP; ``waiting`` is what /readyz says before the work is settled."""

    def ready() -> Answer:
        if status.ready():
            return Answer(b"ready\n")
        reason = "stopping" if status.stopping else waiting
        return Answer(f"{reason}\n".encode(), HTTPStatus.SERVICE_UNAVAILABLE)

    return {
        "/metrics": lambda: Answer(metrics.page(), content_type=CONTENT_TYPE),
        "/healthz": lambda: Answer(b"alive\n"),
        "/readyz": ready,
    }


def health(parts: Sequence[Part]) -> Callable[[], Answer]:
    """The page that says whether all of them still work; a process that half works is to be replaced."""

    def alive() -> Answer:
        if all(each.alive() for each in parts):
            return Answer(b"alive\n")
        words = b"a part of this process has ended; the log says why\n"
        return Answer(words, HTTPStatus.SERVICE_UNAVAILABLE)

    return alive
