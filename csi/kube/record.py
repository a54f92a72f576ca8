"""The status of a resource: kept while it is worked on, and written where it has changed.

It is written after each step, before the next one begins. So what it says has happened. With the last check
it is written that the work begins, and that is never taken back, whatever is refused later: for a resource
without that mark nothing has to be undone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from csi.kube import refusals
from csi.kube.api import Api, Refusal, Silent
from csi.kube.client import Object
from csi.kube.events import Events, moment
from csi.kube.kinds import Kind
from csi.kube.refusals import Refused
from drivers.errors import StorageError

REFUSED = "Refused"
PENDING = "Pending"
LAST = ("Bound", "Released")
"""The last steps of imports and of releases."""


class Record:
    """The status of one resource, as it was read and as it becomes."""

    def __init__(
        self, kind: Kind, owner: Object, api: Api, events: Events, clock: Callable[[], datetime]
    ) -> None:
        self.owner = owner
        self._kind = kind
        self._api = api
        self._events = events
        self._clock = clock
        self._status: dict[str, Any] = dict(owner.get("status") or {})
        self._written = dict(self._status)

    @property
    def uid(self) -> str:
        """The UID of the resource."""
        return str(self.owner["metadata"]["uid"])

    def __getitem__(self, field: str) -> Any:
        return self._status.get(field, "")

    def note(self, **fields: object) -> None:
        """Say something more; it is written with the next step."""
        self._status |= fields

    @property
    def begun(self) -> bool:
        """Whether anything but the status may have been changed."""
        return bool(self["begun"])

    def begin(self, *, really: bool) -> None:
        """Say so with the step that ends now; a rehearsal begins nothing."""
        if really:
            self.note(begun=True)

    def has(self, step: str) -> bool:
        """Whether the step was done."""
        return _has(self._status, step)

    @contextmanager
    def step(self, name: str, phase: str = "") -> Iterator[None]:
        """For the block, which is the step of that name: its end, good or bad, is told and written.

        Raises `Refused` whatever it was that stood in the way.
        """
        with self._attempt(name):
            yield
        self._turn(name, phase, "True", name, "")

    @contextmanager
    def undoing(self) -> Iterator[None]:
        """As `step`, for a block that takes back what was done: the resource goes with its good end."""
        with self._attempt("Undone"):
            yield

    @contextmanager
    def _attempt(self, name: str) -> Iterator[None]:
        try:
            with renamed():
                yield
        except Refused as error:
            phase = PENDING if error.passes else REFUSED
            self._turn(name, phase, "False", error.reason, error.message)
            raise

    def write(self) -> None:
        """Write what has changed, if anything has. Raises `Refused`."""
        if self._status == self._written:
            return
        change = {key: value for key, value in self._status.items() if self._is_new(key)}
        with renamed():
            name = self.owner["metadata"]["name"]
            self._api.patch(self._kind, name, {"status": change}, sub="status")
        self._written = dict(self._status)

    def _is_new(self, key: str) -> bool:
        return bool(self._written.get(key) != self._status[key])

    def _turn(self, step: str, phase: str, status: str, reason: str, message: str) -> None:
        before = self._conditions()
        at = moment(self._clock())
        after = turned(before, {"type": step, "status": status, "reason": reason}, message, at)
        self._status["conditions"] = after
        self._status["reason"] = "" if status == "True" else reason
        self._status["observedGeneration"] = self.owner["metadata"].get("generation", 0)
        if phase:
            self._status["phase"] = phase
        self.write()
        if after != before and status == "False" and phase == REFUSED:
            self._events.warn(self.owner, reason, message)
        elif after != before and status == "True" and phase:
            self._events.inform(self.owner, reason, f"{self._kind.name} is {phase}")

    def _conditions(self) -> list[Mapping[str, str]]:
        return list(self._status.get("conditions") or ())


def is_finished(status: Mapping[str, Any]) -> bool:
    """Whether that is the status of a resource for which nothing is left to do, or to undo."""
    return any(_has(status, step) for step in LAST)


def _has(status: Mapping[str, Any], step: str) -> bool:
    found = status.get("conditions") or ()
    return any(each["type"] == step and each["status"] == "True" for each in found)


@contextmanager
def renamed() -> Iterator[None]:
    """For the block, what nodes and the API refuse is `Refused`."""
    try:
        yield
    except StorageError as error:
        raise refusals.by_node(error) from error
    except (Refusal, Silent) as error:
        raise refusals.by_api(error) from error


def turned(
    conditions: list[Mapping[str, str]], condition: Mapping[str, str], message: str, at: str
) -> list[Mapping[str, str]]:
    """The conditions with one of them as it is now. What has not changed keeps its moment."""
    kept = [each for each in conditions if each["type"] != condition["type"]]
    before = next((each for each in conditions if each["type"] == condition["type"]), None)
    same = before is not None and before["status"] == condition["status"]
    since = before["lastTransitionTime"] if before is not None and same else at
    now = {**condition, "message": message, "lastTransitionTime": since}
    if before == now:
        return conditions
    return [*kept, now]
