"""What happens around an RPC that answers with a stream: checks, the log, and its end with the server's.

The handler yields messages, and None wherever it has nothing to say for a moment: that is when a caller
who has gone is noticed. A stream is not waited for when the server stops: it has nothing in work.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import cast

import grpc
from google.protobuf.message import Message

from csi.rpc import checks, status
from csi.rpc.call import Observer, Rpc, parse
from csi.rpc.door import Admit
from csi.rpc.gate import Gate
from drivers.errors import StorageError, Unavailable

log = logging.getLogger(__name__)


class Stream:
    """One such RPC as gRPC calls it."""

    def __init__(self, rpc: Rpc, gate: Gate, observer: Observer, admit: Admit) -> None:
        self._rpc = rpc
        self._gate = gate
        self._observer = observer
        self._admit = admit

    def __call__(self, raw: bytes, context: grpc.ServicerContext) -> Iterator[Message]:
        began = time.monotonic()
        self._observer.call_began()
        code = grpc.StatusCode.INTERNAL  # what comes without a name is a bug, and gRPC logs it
        try:
            yield from self._messages(raw, context)
            is_there = context.is_active()
            code = grpc.StatusCode.OK if is_there else grpc.StatusCode.CANCELLED
        except GeneratorExit:
            code = grpc.StatusCode.CANCELLED
            raise
        except StorageError as error:
            code = status.code(error)
            context.abort(code, status.text(str(error)))
        finally:
            seconds = time.monotonic() - began
            log.debug("%s %s after %.3f s", self._rpc.path, code.name, seconds)
            self._observer.call_ended(self._rpc.path, code.name, seconds)

    def _messages(self, raw: bytes, context: grpc.ServicerContext) -> Iterator[Message]:
        self._admit(context)
        request = self._rpc.request()
        parse(request, raw)
        checks.check(request)
        for message in cast("Iterator[Message | None]", self._rpc.method(request)):
            if message is not None:
                yield message
            if self._gate.closed:
                raise Unavailable("this Hearth is shutting down; ask its successor")
            if not context.is_active():
                return
