"""Counts what a node was asked and what came of it, for as long as the node is known.

The counts live with the connection: a node that has left for good leaves no series behind.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from csi.rpc.status import Answered
from csi.spec import manage_pb2


class Peer(Protocol):
    """The connection: `csi.rpc.peer.Peer`."""

    name: str
    address: str

    def forward(self, rpc: str, request: bytes) -> bytes: ...

    def watch(self) -> Iterator[manage_pb2.WatchBackendsResponse]: ...

    def close(self) -> None: ...


class Counted:
    """A `Peer` that counts the calls which are passed on by it."""

    def __init__(self, peer: Peer) -> None:
        self.name = peer.name
        self.address = peer.address
        self.watch = peer.watch
        self.close = peer.close
        self._peer = peer
        self._guard = threading.Lock()
        self._calls: Counter[tuple[str, str]] = Counter()

    def forward(self, rpc: str, request: bytes) -> bytes:
        """As `Peer.forward`."""
        code = "INTERNAL"  # what comes without a code is a bug
        try:
            answer = self._peer.forward(rpc, request)
        except Answered as error:
            code = error.code.name
            raise
        else:
            code = "OK"
            return answer
        finally:
            with self._guard:
                self._calls[rpc, code] += 1

    def calls(self) -> Mapping[tuple[str, str], int]:
        """How many have ended, by the path of the method and the name of the code."""
        with self._guard:
            return dict(self._calls)
