"""What happens around an RPC that answers with a stream: checks, the log, and its end with the server's.

The handler yields messages, and None wherever it has nothing to say for a moment: that is when a caller
who has gone is noticed. A stream that watches is not waited for when the server stops: it has nothing in
work. Any other is told to end at its next message, and waited for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from contextvars import copy_context
from typing import cast

import grpc
from google.protobuf.message import Message

from csi import logs
from csi.rpc import checks, status
from csi.rpc.call import BROKEN, Observer, Outcome, Rpc, call_id_of, parse, tell
from csi.rpc.door import Admit
from csi.rpc.gate import Gate
from drivers.errors import StorageError, Unavailable


class Stream:
    """One such RPC as gRPC calls it."""

    def __init__(self, rpc: Rpc, gate: Gate, observer: Observer, admit: Admit) -> None:
        self._rpc = rpc
        self._gate = gate
        self._observer = observer
        self._admit = admit
        self._watches = rpc.name.startswith("Watch")

    def __call__(self, raw: bytes, context: grpc.ServicerContext) -> Iterator[Message]:
        # A context of its own: what lies between two messages is gRPC's, and not this call's.
        inside = copy_context()
        inside.run(logs.call_id.set, call_id_of(context))
        messages = self._observed(raw, context)
        try:
            while (message := inside.run(next, messages, None)) is not None:
                yield message
        finally:
            inside.run(messages.close)

    def _observed(
        self, raw: bytes, context: grpc.ServicerContext
    ) -> Generator[Message, None, None]:
        began = time.monotonic()
        request = self._rpc.request()
        self._observer.call_began()
        outcome = Outcome(grpc.StatusCode.INTERNAL)
        try:
            yield from self._messages(request, raw, context)
            is_there = context.is_active()
            outcome = Outcome(grpc.StatusCode.OK if is_there else grpc.StatusCode.CANCELLED)
        except GeneratorExit:
            outcome = Outcome(grpc.StatusCode.CANCELLED)
            raise
        except StorageError as error:
            outcome = Outcome(status.code(error), message=status.text(str(error)))
            context.set_trailing_metadata(status.told(error))
            context.abort(outcome.code, outcome.message)
        except Exception as error:  # noqa: BLE001 - the edge: what comes here is a bug, and logged
            outcome = Outcome(grpc.StatusCode.INTERNAL, message=BROKEN, bug=error)
            context.abort(outcome.code, outcome.message)
        finally:
            seconds = time.monotonic() - began
            tell(self._rpc, [request], outcome, seconds, self._level(outcome))
            self._observer.call_ended(self._rpc.path, outcome.code.name, seconds)

    def _level(self, outcome: Outcome) -> int:
        if outcome.bug:
            return logging.ERROR
        expected = outcome.code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED)
        # The server's end is the usual one of a stream that watches.
        ended = self._watches and outcome.code is grpc.StatusCode.UNAVAILABLE
        return logging.INFO if expected or ended else logging.WARNING

    def _messages(
        self, request: Message, raw: bytes, context: grpc.ServicerContext
    ) -> Iterator[Message]:
        self._admit(context, self._rpc.path)
        parse(request, raw)
        checks.check(request)
        with nullcontext() if self._watches else self._gate.entered():
            handler = cast("Generator[Message | None]", self._rpc.method(request))
            try:
                yield from self._until_left(handler, context)
            finally:
                # Now, and not when somebody collects it: what it undoes belongs to this call.
                handler.close()

    def _until_left(
        self, messages: Iterator[Message | None], context: grpc.ServicerContext
    ) -> Iterator[Message]:
        for message in messages:
            if message is not None:
                yield message
            if self._gate.closed:
                raise Unavailable("this Hearth is shutting down; ask its successor")
            if not context.is_active():
                return
