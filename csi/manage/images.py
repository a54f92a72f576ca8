"""Images on their way through the service: bytes that come in messages, and bytes that leave in them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import SimpleQueue
from threading import Semaphore
from typing import BinaryIO, cast

from csi.controller import parameters as keys
from csi.controller.access import Access
from csi.controller.requests import VolumeRequest
from csi.manage import convert
from csi.rpc.status import Left
from csi.spec import manage_pb2 as pb
from drivers.errors import Invalid
from drivers.model import MIB, Image, SizeRange

PART = MIB
"""The bytes of one message: gRPC takes none of more than 4 MiB."""
AHEAD = 4
"""Parts that a volume is read ahead of a caller who is slower."""
USUAL = "SINGLE_NODE_WRITER"


def wanted(head: pb.ImageHead) -> VolumeRequest:
    """The volume that is to begin with the image. Raises `Invalid`."""
    if not re.fullmatch(r"[0-9a-f]{64}", head.sha256):
        raise Invalid(
            f"sha256 is {head.sha256!r}; it must be the 64 hex digits of the image's digest"
        )
    if head.image_size <= 0 or head.volume_size < 0:
        raise Invalid(f"an image of {head.image_size} bytes makes no volume of {head.volume_size}")
    return VolumeRequest(
        name=head.name,
        size=SizeRange(max(head.volume_size, head.image_size)),
        accesses=_accesses(head.properties),
        parameters=_parameters(head),
        image=head.sha256,
    )


def _accesses(asked: pb.Properties) -> tuple[Access, ...]:
    mode = convert.mode(asked)
    return tuple(Access(mode, each, asked.fs_type) for each in asked.access_modes or (USUAL,))


def _parameters(head: pb.ImageHead) -> dict[str, str]:
    told = {
        keys.BACKEND: head.backend,
        keys.CLASS: head.properties.storage_class,
        keys.PVC_NAMESPACE: head.properties.pvc_namespace,
        keys.PVC_NAME: head.properties.pvc_name,
        keys.PV_NAME: head.properties.pv_name,
        **{f"{keys.OURS}{key}": value for key, value in head.options.items()},
    }
    return {key: value for key, value in told.items() if value}


class Incoming(io.RawIOBase):
    """The bytes of messages as a stream."""

    def __init__(self, messages: Iterator[pb.CreateVolumeFromImageRequest]) -> None:
        super().__init__()
        self._messages = messages
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """At most ``size`` bytes, as many as one message has left; none at the end."""
        while not self._rest:
            if (message := next(self._messages, None)) is None:
                return b""
            self._rest = memoryview(message.data)
        part = self._rest[:size] if size >= 0 else self._rest
        self._rest = self._rest[len(part) :]
        return bytes(part)


class Outgoing(io.RawIOBase):
    """What is written to it can be taken out by another thread, which decides how far it lags behind."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: SimpleQueue[bytes | None] = SimpleQueue()
        self._room = Semaphore(AHEAD)
        self._left = False

    def writable(self) -> bool:
        return True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]
        """Hand ``data`` over in parts; raises `Left` when nobody takes them any more."""
        for start in range(0, len(data), PART):
            self._room.acquire()
            if self._left:
                raise Left("the caller has gone")
            self._parts.put(data[start : start + PART])
        return len(data)

    def end(self) -> None:
        """Nothing more is written."""
        self._parts.put(None)

    def leave(self) -> None:
        """Nothing more is taken."""
        self._left = True
        self._room.release()

    def parts(self) -> Iterator[bytes]:
        """What was written, until the end."""
        while (part := self._parts.get()) is not None:
            yield part
            self._room.release()


def sent(copy: Callable[[BinaryIO], Image], size: int) -> Iterator[pb.CopyVolumeToImageResponse]:
    """The messages of an image of ``size`` bytes that ``copy`` writes.

    It writes in a thread of its own, because gRPC takes messages when its caller has room for them. If the
    caller leaves, this returns when the copy has ended and let go of the volume.
    """
    outgoing, inside = Outgoing(), copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="image") as thread:
        copied = thread.submit(inside.run, copy, cast(BinaryIO, outgoing))
        copied.add_done_callback(lambda _copied: outgoing.end())
        try:
            yield pb.CopyVolumeToImageResponse(size=size)
            for part in outgoing.parts():
                yield pb.CopyVolumeToImageResponse(data=part)
            yield pb.CopyVolumeToImageResponse(sha256=copied.result().sha256)
        finally:
            outgoing.leave()
