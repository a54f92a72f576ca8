"""The stream that a router keeps to each node, which says nothing for hours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csi.metrics import Metrics
from csi.rpc import peer, server
from csi.rpc.endpoint import UnixSocket
from csi.rpc.peer import Peer
from csi.rpc.server import Server
from csi.spec import manage_pb2

FASTER = 50
PACE = ("grpc.keepalive_time_ms", "grpc.http2.min_ping_interval_without_data_ms")


class Manage:
    """Says its name after ``silence`` seconds, and nothing more until the end."""

    def __init__(self, silence: float) -> None:
        self.silence = silence
        self.over = threading.Event()

    def WatchBackends(
        self, _request: manage_pb2.WatchBackendsRequest
    ) -> Iterator[manage_pb2.WatchBackendsResponse]:
        self.over.wait(self.silence)
        yield manage_pb2.WatchBackendsResponse(node="n1")
        self.over.wait()


@contextmanager
def connected(home: Path, service: Manage) -> Iterator[Peer]:
    serving = Server(UnixSocket(home / "s"), [service], Metrics("1.2.3"))
    serving.start()
    caller = Peer("n1", f"unix://{home}/s", None)
    try:
        yield caller
    finally:
        service.over.set()
        caller.close()
        serving.stop(1)


def test_our_servers_let_our_clients_look_after_a_silent_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for side in (peer, server):
        options = [(name, value // (FASTER if name in PACE else 1)) for name, value in side.OPTIONS]
        monkeypatch.setattr(side, "OPTIONS", tuple(options))
    with connected(tmp_path, Manage(silence=2)) as caller:
        assert next(caller.watch()).node == "n1"


def test_a_stream_needs_no_thread_but_its_reader(tmp_path: Path) -> None:
    with connected(tmp_path, Manage(silence=0)) as caller:
        before = set(threading.enumerate())
        stream = caller.watch()
        next(stream)
        more = [each.name for each in set(threading.enumerate()) - before]
        assert [name for name in more if not name.startswith("rpc")] == []
