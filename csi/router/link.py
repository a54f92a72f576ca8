"""One node as the router knows it: the connection, and what it told of its backends last."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from csi.controller.capacity import BOUNDLESS
from csi.router.counted import Counted, Peer
from csi.rpc.status import Answered
from csi.spec import manage_pb2

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds before a stream that broke off is opened again."""


Connect = Callable[[str, str], Peer]


class Link:
    """Listens to one node from `start` until `close`."""

    def __init__(self, peer: Peer, changed: Callable[[], None], pause: float = PAUSE) -> None:
        """``changed`` is called whenever something here has changed."""
        self.name = peer.name
        self.address = peer.address
        self.connected = False
        self.ids: frozenset[str] = frozenset()
        """The ids of its backends, as it told them last."""
        self.told: manage_pb2.WatchBackendsResponse | None = None
        """What it told last, also if it is away now."""
        self.peer = Counted(peer)
        self._changed = changed
        self._pause = pause
        self._closed = threading.Event()
        self._trouble = "it has not answered yet"
        self._thread = threading.Thread(target=self._listen, name=f"node {self.name}", daemon=True)

    def start(self) -> None:
        """Listen from now on."""
        self._thread.start()

    def close(self) -> None:
        """Hang up, and return when nothing runs any more."""
        self._closed.set()
        self.peer.close()
        if self._thread.is_alive():
            self._thread.join()

    def alive(self) -> bool:
        """False if its thread has ended and nobody asked it to: then the node is never heard again."""
        return self._thread.is_alive() or self._closed.is_set()

    @property
    def complete(self) -> bool:
        """Whether all backends of the node are among those it told."""
        return self.told is not None and self.told.complete

    def has(self, backend_id: str) -> bool:
        """Whether the backend is among those that the node told last."""
        return backend_id in self.ids

    def names(self, backend: str) -> bool:
        """Whether a backend of that name is among those that the node told last."""
        return self.told is not None and any(each.name == backend for each in self.told.backends)

    def lacks(self, backend: str) -> bool:
        """Whether the node is known not to have a backend of that name; "": whichever it has will do."""
        return bool(backend) and self.told is not None and not self.names(backend)

    def room(self, backend: str) -> int:
        """The bytes that are free, as told last, in the backend of that name; "": in all together."""
        if self.told is None:
            return 0
        mine = [each for each in self.told.backends if backend in ("", each.name)]
        return sum(_bytes(each.free) for each in mine if not each.unhealthy)

    def whereabouts(self) -> str:
        """Why it is away, for a person."""
        return f"node {self.name} ({self.address}) cannot be reached: {self._trouble}"

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                self._lose(self._heard())
            except Answered as error:
                self._lose(str(error))
            except Exception:  # the border of a thread: without it the node is away for ever
                log.exception("listening to node %s broke; it is tried again", self.name)
                self._lose("listening to it broke, see the log of this process")
            self._closed.wait(self._pause)

    def _heard(self) -> str:
        """Hear the node until it says no more; why it does not."""
        for told in self.peer.watch():
            # An address may be another node's by now, and its certificate is of the same name.
            if told.node != self.name:
                return f"node {told.node} answers there"
            self._hear(told)
        return "it hung up"

    def _hear(self, told: manage_pb2.WatchBackendsResponse) -> None:
        if not self.connected:
            log.info("node %s at %s is there", self.name, self.address)
        self.ids = frozenset(each.id for each in told.backends if each.id)
        self.told, self.connected = told, True
        self._changed()

    def _lose(self, why: str) -> None:
        if self.connected and not self._closed.is_set():
            log.warning("node %s at %s is away: %s", self.name, self.address, why)
        self._trouble, self.connected = why, False
        self._changed()


def _bytes(capacity: manage_pb2.Capacity) -> int:
    return capacity.bytes if capacity.WhichOneof("value") == "bytes" else BOUNDLESS
