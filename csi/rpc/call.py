"""What happens around every RPC: checks, the deadline, the log line, the metrics, the error's code.

A handler gets a message and returns one, or raises one of `drivers.errors`. Everything else that a
call needs is here, once, so that no handler can forget it.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast

import grpc
from google.protobuf.message import DecodeError, Message

from csi import logs
from csi.rpc import checks, redact, status
from csi.rpc.door import Admit, everybody
from csi.rpc.gate import Gate
from drivers import exec as programs
from drivers.errors import Invalid, StorageError

log = logging.getLogger(__name__)

# gRPC says "no deadline" with a moment some centuries away, which is more than poll(2) can wait.
FOREVER = 366 * 86400.0

# Seconds that work ends before the caller's deadline, so that an answer still reaches it: one that
# is told ABORTED knows more than one whose patience ended.
ANSWERING = 1.0

# Which objects a call is about; looked for in the request and in the answer.
OBJECTS = ("name", "volume_id", "source_volume_id", "snapshot_id", "group_snapshot_id")

# What the Manage service answers with has its id in itself.
RECORDS = ("volume", "snapshot")

# Of a name in a line; longer ones are refused, but logged.
LONGEST = 256

# What a caller hears of a bug.
BROKEN = "internal error, see the plugin's log"

# Asked every few seconds for as long as a plugin lives: their lines would bury the others.
ROUTINE = frozenset({"Probe", "GetCapacity", "NodeGetVolumeStats"})


class Observer(Protocol):
    """Who counts calls: `csi.metrics.Metrics`."""

    def call_began(self) -> None:
        """A call has come in."""
        ...

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """A call of ``method`` (its path) has ended with the gRPC ``code``."""
        ...


@dataclass(frozen=True, slots=True)
class Rpc:
    """One RPC as the protocol describes it, and the method that serves it.

    One that ``passes`` is also given the request's bytes, and may return those of the answer.
    """

    path: str
    request: type[Message]
    response: type[Message]
    method: Callable[..., object]
    passes: bool = False

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. ``response`` is set exactly if ``code`` is OK, ``bug`` if this is one.

    ``told`` travels behind the answer.
    """

    code: grpc.StatusCode
    response: Message | bytes | None = None
    message: str = ""
    bug: Exception | None = None
    told: tuple[tuple[str, str], ...] = ()


Raw = TypeVar("Raw")


class Around(ABC, Generic[Raw]):
    """What every RPC has around it that gives one answer to the ``Raw`` that gRPC hands over."""

    def __init__(
        self,
        rpc: Rpc,
        gate: Gate,
        observer: Observer,
        threads: ThreadPoolExecutor | None = None,
        admit: Admit = everybody,
    ) -> None:
        """Runs in ``threads`` of its own if it has any, else in those of the server."""
        # gRPC looks for the attribute of this name. A version that should cease to would run the
        # call in the common pool.
        self.experimental_thread_pool = threads
        self._rpc = rpc
        self._gate = gate
        self._observer = observer
        self._admit = admit
        routine = rpc.name in ROUTINE or rpc.name.endswith("Capabilities")
        self._level = logging.DEBUG if routine else logging.INFO

    def __call__(self, raw: Raw, context: grpc.ServicerContext) -> Message | bytes:
        began = time.monotonic()
        self._observer.call_began()
        request = self._rpc.request()
        with _working_for(context):
            outcome = self._outcome(request, raw, context)
            seconds = time.monotonic() - began
            self._tell(request, outcome, seconds)
        self._observer.call_ended(self._rpc.path, outcome.code.name, seconds)
        if outcome.response is None:
            context.set_trailing_metadata(outcome.told)
            context.abort(outcome.code, outcome.message)
        return outcome.response

    def _outcome(self, request: Message, raw: Raw, context: grpc.ServicerContext) -> Outcome:
        try:
            self._admit(context, self._rpc.path)
            with self._gate.entered():
                response = self._answer(request, raw)
        except StorageError as error:
            code = status.code(error)
            unnamed = code is grpc.StatusCode.INTERNAL and not isinstance(error, status.Answered)
            bug = error if unnamed else None
            text = status.text(str(error))
            return Outcome(code, message=text, bug=bug, told=status.told(error))
        except Exception as error:  # noqa: BLE001 - the edge: what comes here is a bug, and logged
            return Outcome(grpc.StatusCode.INTERNAL, message=BROKEN, bug=error)
        return Outcome(grpc.StatusCode.OK, response)

    @abstractmethod
    def _answer(self, request: Message, raw: Raw) -> Message | bytes:
        """What the handler answers; ``request`` is filled from ``raw``, for the log."""

    def _proper(self, response: object) -> Message:
        if not isinstance(response, self._rpc.response):
            raise TypeError(f"{self._rpc.path} returned a {type(response).__name__}")
        return response

    def _tell(self, request: Message, outcome: Outcome, seconds: float) -> None:
        messages = [request]
        if isinstance(outcome.response, Message):
            messages.append(outcome.response)
        level = self._level
        if outcome.code is not grpc.StatusCode.OK:
            level = logging.ERROR if outcome.bug else logging.WARNING
        tell(self._rpc, messages, outcome, seconds, level)


class Call(Around[bytes]):
    """One RPC as gRPC calls it: bytes in, a message or an abort out."""

    def _answer(self, request: Message, raw: bytes) -> Message | bytes:
        parse(request, raw)
        checks.check(request)
        passed = (raw,) if self._rpc.passes else ()
        response = self._rpc.method(request, *passed)
        if self._rpc.passes and isinstance(response, bytes):
            return response
        return self._proper(response)


def tell(
    rpc: Rpc, messages: Sequence[Message], outcome: Outcome, seconds: float, level: int
) -> None:
    """The line of a call that has ended, with what ``messages`` (the request first) say it was about."""
    objects: dict[str, str] = {}
    for message in messages:
        objects |= _objects(message)
    facts = {"method": rpc.path, "code": outcome.code.name, "seconds": round(seconds, 6)}
    log.log(
        level,
        "%s %s in %.3f s%s%s",
        rpc.path,
        outcome.code.name,
        seconds,
        "".join(f" {name}={value!r}" for name, value in objects.items()),
        _why(messages[0], outcome),
        extra={"facts": facts | objects},
        exc_info=outcome.bug,
    )


@contextmanager
def _working_for(context: grpc.ServicerContext) -> Iterator[None]:
    """The caller's deadline for every program that is run, and an id in every line of the log."""
    remaining = context.time_remaining()
    spare = min(ANSWERING, remaining / 10)
    at = time.monotonic() + remaining - spare if remaining < FOREVER else None
    deadline = programs.deadline.set(at)
    call_id = logs.call_id.set(call_id_of(context))
    try:
        yield
    finally:
        logs.call_id.reset(call_id)
        programs.deadline.reset(deadline)


def call_id_of(context: grpc.ServicerContext) -> str:
    """The id of the call in the log: that of the process which passes it on, or a new one."""
    # The stubs have it otherwise.
    pairs = cast("Iterable[tuple[str, str | bytes]]", context.invocation_metadata() or ())
    told = next((value for key, value in pairs if key == logs.CALL_KEY), "")
    return logs.new_call_id(told if isinstance(told, str) else "")


def serialized(response: Message | bytes) -> bytes:
    """What travels: an answer that is passed on as it came does already."""
    return response if isinstance(response, bytes) else response.SerializeToString()


def parse(request: Message, raw: bytes) -> None:
    """Fill ``request``; raises `Invalid`."""
    # gRPC would answer INTERNAL for a string that is not UTF-8.
    try:
        request.ParseFromString(raw)
    except DecodeError as error:
        raise Invalid(f"this is no {request.DESCRIPTOR.full_name}: {error}") from error


def _objects(message: Message) -> dict[str, str]:
    """Names and ids that the message, or a message in it, gives to its objects; the outer word counts."""
    found: dict[str, str] = {}
    for field, value in message.ListFields():
        if field.name in OBJECTS and isinstance(value, str):
            found[field.name] = value[:LONGEST]
        elif isinstance(value, Message):
            own = getattr(value, "id", "") if field.name in RECORDS else ""
            found = ({f"{field.name}_id": own[:LONGEST]} if own else {}) | _objects(value) | found
    return found


def _why(request: Message, outcome: Outcome) -> str:
    if outcome.bug:
        return f": {outcome.message}; the request was {redact.line(request)}"
    return f": {outcome.message}" if outcome.message else ""
