"""The border where `drivers.errors` become gRPC status codes.

RESOURCE_EXHAUSTED has a meaning of its own: from CreateVolume it makes the sidecar choose another
node. So only `Exhausted` becomes it, and the server sets no limit of gRPC's that answers it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType

import grpc

from drivers import errors
from drivers.manageable import Hindrance, Obstacle


class Denied(errors.StorageError):
    """The caller is somebody, but nobody who may call this."""


class Left(errors.StorageError):
    """The caller has gone in the middle of a call, and nobody waits for what it comes to."""


class Answered(errors.StorageError):
    """What another process of ours answered, to be passed on as it is."""

    def __init__(
        self, code: grpc.StatusCode, message: str, kind: str = "", hindrance: str = ""
    ) -> None:
        """``kind`` is the name of the error's class, as far as the other process told it.

        ``hindrance`` is that of an `Unmanageable`.
        """
        self.code = code
        self.kind = kind
        self.hindrance = hindrance
        super().__init__(message)


CODES: Mapping[type[BaseException], grpc.StatusCode] = MappingProxyType(
    {
        errors.Invalid: grpc.StatusCode.INVALID_ARGUMENT,
        errors.NotFound: grpc.StatusCode.NOT_FOUND,
        errors.Exists: grpc.StatusCode.ALREADY_EXISTS,
        errors.OutOfRange: grpc.StatusCode.OUT_OF_RANGE,
        errors.Exhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
        errors.Precondition: grpc.StatusCode.FAILED_PRECONDITION,
        errors.Busy: grpc.StatusCode.ABORTED,
        errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
        Denied: grpc.StatusCode.PERMISSION_DENIED,
        Left: grpc.StatusCode.CANCELLED,
    }
)


KIND = "hearth-error"
"""The key under which the name of the error's class travels behind an answer: codes are coarser."""
HINDRANCE = "hearth-hindrance"
"""... and that of what hinders an object from being brought in."""


# A byte outside of printable ASCII travels as three, and peers built on gRPC's C core begin to
# refuse headers of more than 8 KiB.
LIMIT = 2048


PLAIN: tuple[type[errors.StorageError], ...] = (
    errors.Invalid,
    errors.Unsupported,
    errors.NotFound,
    errors.Exists,
    errors.AlreadyManaged,
    errors.OutOfRange,
    errors.Exhausted,
    errors.Precondition,
    errors.InUse,
    errors.Busy,
    errors.Unavailable,
    Denied,
)
"""Those that are made of their message alone, so that they can be made again on the other side."""


def code(error: BaseException) -> grpc.StatusCode:
    """The code of the nearest class above the error's that has one; INTERNAL says it is a bug."""
    if isinstance(error, Answered):
        return error.code
    for kind in type(error).__mro__:
        if kind in CODES:
            return CODES[kind]
    return grpc.StatusCode.INTERNAL


def told(error: BaseException) -> tuple[tuple[str, str], ...]:
    """What travels behind an answer beside its code, for `named` on the other side."""
    if isinstance(error, errors.Unmanageable):
        kind = (KIND, type(error).__name__)
        return kind, (HINDRANCE, error.obstacle.hindrance.value)
    return ((KIND, type(error).__name__),)


def text(message: str) -> str:
    """``message`` as a status can carry it: UTF-8, and at most `LIMIT` bytes of it."""
    encoded = message.encode("utf-8", "replace")
    if len(encoded) <= LIMIT:
        return encoded.decode("utf-8")
    return encoded[: LIMIT - 3].decode("utf-8", "ignore") + "…"


def named(answer: Answered) -> errors.StorageError:
    """The error that the other process had, as far as its code tells, for whoever acts on its class.

    What has no name there is `Unavailable`: a later call may be answered otherwise.
    """
    if answer.code is grpc.StatusCode.UNIMPLEMENTED:
        return errors.Unsupported(f"the Hearth that was asked does not know this call: {answer}")
    with suppress(ValueError):
        obstacle = Obstacle(Hindrance(answer.hindrance), str(answer))
        return errors.Unmanageable(str(answer), obstacle)
    same = next((kind for kind in PLAIN if kind.__name__ == answer.kind), None)
    if same is not None and code(same("")) is answer.code:
        return same(str(answer))
    kinds = (kind for kind in PLAIN if CODES.get(kind) is answer.code)
    return next(kinds, errors.Unavailable)(str(answer))


def is_exhausted(error: Answered) -> bool:
    """Whether the answer is the one that makes somebody look elsewhere."""
    return error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
