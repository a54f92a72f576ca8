"""The connection to another process of Hearth: one kept channel, through which bytes are passed on.

An answer comes back as it is, also if it is a refusal. Where there is none, the error says whom it should
have come from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import cast

import grpc

from csi import logs
from csi.rpc.endpoint import path, target
from csi.rpc.status import HINDRANCE, KIND, Answered
from csi.rpc.tls import Bundle, Certificates
from csi.spec import manage_pb2
from drivers.exec import remaining

MARGIN = 0.05
"""Seconds of a caller's patience that are kept back, so that the answer still reaches him."""

OPTIONS = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 5_000),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # The stream that is kept waits in its reader's thread. Else gRPC starts one more for each channel, and
    # the reader wakes up ten times a second to look: a thousand of them leave no time for calls.
    ("SingleThreadedUnaryStream", 1),
)
WATCH = "/hearth.manage.v1.Manage/WatchBackends"


@dataclass(frozen=True, slots=True)
class Line:
    """A channel, and what gives its callable for a path: kept, as gRPC takes its time to make one."""

    channel: grpc.Channel
    unary: Callable[[str], Callable[..., bytes]]


class Peer:
    """The process called ``name`` at ``address``, which proves to be ``identity``."""

    def __init__(
        self, name: str, address: str, certificates: Certificates | None, identity: str = ""
    ) -> None:
        """``address`` is HOST:PORT, or ``unix:///path`` without certificates."""
        self.name = name
        self.address = address
        self._certificates = certificates
        self._identity = identity
        self._guard = threading.Lock()
        self._bundle: Bundle | None = None
        self._lines: list[Line] = []
        self._closed = False

    def forward(self, rpc: str, request: bytes) -> bytes:
        """The bytes of the answer to ``request``; ``rpc`` is the path of the method.

        Raises `Answered` for a refusal, and for the lack of an answer before the caller's deadline.
        """
        left = remaining()
        timeout = None if left is None else left + MARGIN
        with self._answering():
            return self._line().unary(rpc)(request, timeout=timeout, metadata=_told())

    def send(self, rpc: str, requests: Iterator[bytes]) -> bytes:
        """The bytes of the answer to a stream of requests; raises as `forward`."""
        with self._answering():
            call: Callable[..., bytes] = self._line().channel.stream_unary(rpc)
            return call(requests)

    def stream(self, rpc: str, request: bytes) -> Iterator[bytes]:
        """The bytes of the answers to ``request``; raises as `forward`."""
        with self._answering():
            call: Callable[..., Iterator[bytes]] = self._line().channel.unary_stream(rpc)
            yield from call(request)

    def watch(self) -> Iterator[manage_pb2.WatchBackendsResponse]:
        """The states of the node's backends, as they change. Raises `Answered` when that breaks off."""
        with self._answering():
            call = self._line().channel.unary_stream(
                WATCH,
                request_serializer=manage_pb2.WatchBackendsRequest.SerializeToString,
                response_deserializer=manage_pb2.WatchBackendsResponse.FromString,
            )
            yield from call(manage_pb2.WatchBackendsRequest())

    def close(self) -> None:
        """Hang up; what is on its way is cut off."""
        with self._guard:
            self._closed = True
            for line in self._lines:
                line.channel.close()

    def _line(self) -> Line:
        """The newest channel: one for each set of certificates, the last but one for calls in work."""
        with self._guard:
            if self._closed:
                raise Answered(grpc.StatusCode.UNAVAILABLE, f"node {self.name} was left")
            bundle = self._certificates.current() if self._certificates else None
            if not self._lines or bundle is not self._bundle:
                channel = self._open(bundle)
                self._lines.append(Line(channel, cache(channel.unary_unary)))
                self._bundle = bundle
            for old in self._lines[:-2]:
                old.channel.close()
            del self._lines[:-2]
            return self._lines[-1]

    def _open(self, bundle: Bundle | None) -> grpc.Channel:
        if bundle is None:
            return grpc.insecure_channel(target(path(self.address)), OPTIONS)
        # The address is a pod's, which no certificate can name.
        named = ("grpc.ssl_target_name_override", self._identity)
        return grpc.secure_channel(self.address, bundle.client(), (*OPTIONS, named))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._answered(error) from None
        except ValueError as error:  # gRPC's own word for a channel that was closed a moment ago
            raise Answered(grpc.StatusCode.UNAVAILABLE, f"node {self.name}: {error}") from None

    def _answered(self, error: grpc.RpcError) -> Answered:
        code, text = error.code(), error.details() or ""
        if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
            return Answered(code, f"node {self.name} ({self.address}): {text}")
        # The stubs have it otherwise.
        pairs = cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ())
        behind = {key: str(value) for key, value in pairs}
        return Answered(code, text, behind.get(KIND, ""), behind.get(HINDRANCE, ""))


def _told() -> tuple[tuple[str, str], ...]:
    """What the other process has to know of the call that is passed on."""
    call_id = logs.call_id.get()
    return () if call_id == logs.NO_CALL else ((logs.CALL_KEY, call_id),)
