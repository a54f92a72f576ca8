"""What happens around an RPC that is asked by a stream: the first message says what, others follow.

The handler gets the first message and an iterator of the rest. A caller who leaves, and a server that is
told to stop, end the iterator with an error, so that the handler undoes what it has begun.
"""

from __future__ import annotations

from collections.abc import Iterator

import grpc
from google.protobuf.message import Message

from csi.rpc import checks
from csi.rpc.call import Around, parse
from csi.rpc.status import Left
from drivers.errors import Invalid, Unavailable


class Upload(Around[Iterator[bytes]]):
    """One such RPC as gRPC calls it."""

    def __call__(self, raw: Iterator[bytes], context: grpc.ServicerContext) -> Message | bytes:
        return super().__call__(self._arriving(raw, context), context)

    def _answer(self, request: Message, raw: Iterator[bytes]) -> Message | bytes:
        messages = map(self._message, raw)
        first = next(messages, None)
        if first is None:
            raise Invalid("the stream ended before its first message")
        request.CopyFrom(first)
        return self._proper(self._rpc.method(request, messages))

    def _message(self, raw: bytes) -> Message:
        message = self._rpc.request()
        parse(message, raw)
        checks.check(message)
        return message

    def _arriving(self, raw: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        """What comes until the caller says that it was all; raises `Left` if he never does."""
        try:
            for part in raw:
                if self._gate.closed:
                    raise Unavailable("this Hearth is shutting down; ask its successor")
                yield part
        except grpc.RpcError:
            raise Left("the caller has gone") from None
        if not context.is_active():
            raise Left("the caller has gone")
