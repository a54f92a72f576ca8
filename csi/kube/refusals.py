"""Why a resource cannot go on: a word for programs, a sentence for people, and when to try again.

What a node answers is renamed here once, from the classes of errors to the words of the resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType

from csi.kube.api import Absent, Refusal, Silent, Taken
from csi.rpc.status import Denied
from drivers import errors
from drivers.manageable import Hindrance

SOON = 2.0
"""Seconds until the next look at what goes on by itself."""
LATER = 5.0
"""Seconds until the first look at what waits for a person: who mends it at once does not wait either."""
SNAPSHOTS = "snapshot.storage.k8s.io"
"""The group whose kinds the operator may be installed without the rights to."""
LONGEST = 2048
"""Characters of a message that the API takes."""


class Refused(Exception):
    """It does not go on for now. ``again`` is in how many seconds it is tried again."""

    def __init__(self, reason: str, message: str, again: float = LATER) -> None:
        self.reason = reason
        self.message = _cut(" ".join(message.split()))
        self.again = again
        super().__init__(f"{reason}: {self.message}")

    @property
    def passes(self) -> bool:
        """Whether it goes on by itself, and waits for no person."""
        return self.again < LATER


class Overtaken(Refused):
    """Somebody else has seen to it, or is about to: nothing is left for this one to do, or to take back."""


# The nearest class above an error's counts.
ANSWERS: Mapping[type[BaseException], tuple[str, float]] = MappingProxyType(
    {
        errors.NotFound: ("InvalidReference", LATER),
        errors.Invalid: ("InvalidReference", LATER),
        errors.Unsupported: ("NotSupported", LATER),
        errors.Exists: ("AlreadyManaged", LATER),
        errors.InUse: ("InUse", LATER),
        errors.Precondition: ("NotPossible", LATER),
        errors.Busy: ("Busy", SOON),
        errors.Unavailable: ("NodeUnavailable", SOON),
        Denied: ("NodeDenied", LATER),
    }
)
# Why an object cannot be brought in, in the drivers' words and in ours.
HINDRANCES: Mapping[Hindrance, str] = MappingProxyType(
    {
        Hindrance.MANAGED: "AlreadyManaged",
        Hindrance.OPEN: "InUse",
        Hindrance.UNKNOWN_FILESYSTEM: "FilesystemUnknown",
        Hindrance.DAMAGED_FILESYSTEM: "FilesystemDamaged",
    }
)


def by_node(error: errors.StorageError) -> Refused:
    """What a node answered, or why there is no answer."""
    if isinstance(error, errors.Unmanageable):
        return Refused(word(error.obstacle.hindrance), str(error))
    kinds = (ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS)
    reason, again = next(kinds, ("NodeFailed", LATER))
    return Refused(reason, str(error), again)


def by_api(error: Refusal | Silent) -> Refused:
    """What the Kubernetes API answered."""
    if isinstance(error, Silent):
        return Refused("APIUnavailable", str(error), SOON)
    if isinstance(error, Taken):
        return Refused("Conflict", str(error), SOON)
    if error.status == HTTPStatus.FORBIDDEN and SNAPSHOTS in str(error):
        message = f"snapshots are off: snapshots.enabled of the chart gives the rights ({error})"
        return Refused("SnapshotsDisabled", message)
    return Refused("NotFound" if isinstance(error, Absent) else "APIRefused", str(error))


def word(hindrance: Hindrance) -> str:
    """A driver's word for what hinders as a reason: ``raid-image`` becomes ``RaidImage``."""
    spelt = "".join(part.capitalize() for part in hindrance.value.split("-"))
    return HINDRANCES.get(hindrance, spelt)


def _cut(message: str) -> str:
    """As much of it as the API takes: half a sentence is told, a whole one would be refused."""
    return message if len(message) <= LONGEST else f"{message[: LONGEST - 1]}…"
