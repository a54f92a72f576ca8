"""Why a resource cannot go on: a word for programs, a sentence for people, and when to try again.

What a node answers is renamed here once, from status codes to the words of the resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from csi.kube.api import Absent, Refusal, Silent, Taken
from csi.rpc.status import Answered
from drivers.errors import StorageError

SOON = 2.0
"""Seconds until the next look at what goes on by itself."""
LATER = 60.0
"""Seconds until the next look at what waits for a person."""


class Refused(Exception):
    """It does not go on for now. ``again`` is in how many seconds it is tried again."""

    def __init__(self, reason: str, message: str, again: float = LATER) -> None:
        self.reason = reason
        self.message = " ".join(message.split())
        self.again = again
        super().__init__(f"{reason}: {self.message}")


# By the names of gRPC's codes: csi.rpc alone knows gRPC.
ANSWERS: Mapping[str, tuple[str, float]] = MappingProxyType(
    {
        "NOT_FOUND": ("InvalidReference", LATER),
        "INVALID_ARGUMENT": ("InvalidReference", LATER),
        "ALREADY_EXISTS": ("AlreadyManaged", LATER),
        "FAILED_PRECONDITION": ("NotPossible", LATER),
        "UNIMPLEMENTED": ("NotSupported", LATER),
        "PERMISSION_DENIED": ("NodeDenied", LATER),
        "ABORTED": ("Busy", SOON),
        "UNAVAILABLE": ("NodeUnavailable", SOON),
        "DEADLINE_EXCEEDED": ("NodeUnavailable", SOON),
    }
)
# Why an object cannot be brought in, in the drivers' words and in ours.
HINDRANCES: Mapping[str, str] = MappingProxyType(
    {
        "managed": "AlreadyManaged",
        "open": "InUse",
        "unknown-filesystem": "FilesystemUnknown",
        "damaged-filesystem": "FilesystemDamaged",
    }
)


def by_node(error: StorageError) -> Refused:
    """What a node answered, or why there is no answer."""
    if not isinstance(error, Answered):
        return Refused("NodeUnavailable", str(error), SOON)
    reason, again = ANSWERS.get(error.code.name, ("NodeFailed", LATER))
    return Refused(reason, str(error), again)


def by_api(error: Refusal | Silent) -> Refused:
    """What the Kubernetes API answered."""
    if isinstance(error, Silent):
        return Refused("APIUnavailable", str(error), SOON)
    if isinstance(error, Taken):
        return Refused("Conflict", str(error), SOON)
    return Refused("NotFound" if isinstance(error, Absent) else "APIRefused", str(error))


def word(hindrance: str) -> str:
    """A driver's word for what hinders as a reason: ``raid-image`` becomes ``RaidImage``."""
    spelt = "".join(part.capitalize() for part in hindrance.split("-"))
    return HINDRANCES.get(hindrance, spelt) or "NotPossible"
