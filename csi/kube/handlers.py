"""How kopf calls the operator: one handler a kind, which does whatever is left to do.

kopf says when: an object came, changed, is to be deleted, or was there at the start. What is done depends
on the state of the world alone, never on which of these it was, so a call too many does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import kopf

from csi.kube.client import Object
from csi.kube.kinds import Kind
from csi.kube.ledger import Ledger
from csi.kube.record import Record, is_finished
from csi.kube.refusals import LATER, Refused
from csi.kube.turns import turn

MINUTE, HOUR = 60.0, 3600.0
"""Seconds between two looks, at most: at what goes on by itself, and at what waits for a person."""
REHEARSED = 5 * MINUTE
"""As `HOUR`, while a person tries out what would be refused."""
DOUBLINGS = 10
"""After as many, each pause has reached its bound."""
RECONCILE = "reconcile"
"""By this name kopf marks what is not done yet."""


class Work(Protocol):
    """What is done for the objects of one kind."""

    kind: Kind

    def carry_out(self, record: Record) -> None: ...

    def undo(self, record: Record) -> None: ...


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a handler gets the resource from, as it is now, and tells what became of it."""

    driver: str
    open: Callable[[Kind, Object], Record | None]
    ledger: Ledger


def register(registry: kopf.OperatorRegistry, works: Sequence[Work], desk: Desk) -> None:
    """Have kopf call ``works`` for the objects of the desk's driver."""
    for work in works:
        where: Any = {"registry": registry, "when": partial(_is_of, desk.driver)}
        at = work.kind.api, work.kind.plural
        doing = _handler(partial(_carry_out, work), work.kind, desk)
        kopf.on.create(*at, id=RECONCILE, **where)(doing)
        kopf.on.update(*at, id=RECONCILE, field="spec", **where)(doing)
        kopf.on.resume(*at, id=RECONCILE, **where)(doing)
        # kopf holds what this may be called for, and lets go of what it is not called for any more: there is
        # nothing to undo once it is done, and nobody to let go of it once the operator is uninstalled.
        undone: Any = where | {"when": partial(_is_unfinished, desk.driver)}
        kopf.on.delete(*at, id="undo", **undone)(_handler(work.undo, work.kind, desk))
        kopf.on.event(*at, id="count", **where)(_counting(work.kind, desk))
        kopf.on.event(*at, id="wake", **where)(_waking(work.kind, desk))


def _is_of(driver: str, spec: Any, **_rest: Any) -> bool:
    return bool(spec.get("driver") == driver)


def _is_unfinished(driver: str, spec: Any, status: Any, **_rest: Any) -> bool:
    return _is_of(driver, spec) and not is_finished(status)


def _counting(kind: Kind, desk: Desk) -> Callable[..., None]:
    def count(event: Any, body: Any, **_rest: Any) -> None:
        if event["type"] == "DELETED":
            desk.ledger.forget(kind.name, body["metadata"]["uid"])
        else:
            desk.ledger.saw(kind.name, body)

    return count


def _waking(kind: Kind, desk: Desk) -> Callable[..., None]:
    mark = f"{prefix(desk.driver)}/{RECONCILE}"

    def wake(body: Any, patch: Any, **_rest: Any) -> None:
        # To kopf a change of what was never done yet is nothing new: it would sleep on.
        rests = mark in (body["metadata"].get("annotations") or {})
        if rests and desk.ledger.is_changed(kind.name, body):
            patch.metadata.annotations[mark] = None

    return wake


def _carry_out(work: Work, record: Record) -> None:
    # One that is to be deleted by now is undone next.
    if "deletionTimestamp" not in record.owner["metadata"]:
        work.carry_out(record)


def _handler(work: Callable[[Record], None], kind: Kind, desk: Desk) -> Callable[..., None]:
    def handle(body: Any, **_rest: Any) -> None:
        record, uid = None, body["metadata"]["uid"]
        with turn(kind.name, body["metadata"]["name"]) as this:
            try:
                record = desk.open(kind, body)
                if record is not None:
                    desk.ledger.began(kind.name, record.owner)
                    work(record)
            except Refused as error:
                this.result, this.why = error.reason, error.message
                desk.ledger.ended(kind.name, error.reason, record)
                times = desk.ledger.again(kind.name, uid, error)
                dry = bool(record and record.owner["spec"].get("dryRun"))
                delay = pause(error.again, times, REHEARSED if dry else HOUR)
                raise kopf.TemporaryError(str(error), delay=delay) from error
            this.result = "done"
            desk.ledger.ended(kind.name, "done", record)

    return handle


def prefix(driver: str) -> str:
    """What the names of kopf's marks on resources begin with."""
    # Two installations with two drivers in one cluster must not take each other's marks off.
    return f"operator.{driver}"


def pause(first: float, times: int, longest: float = HOUR) -> float:
    """Seconds until the next try, after as many for the same reason: longer each time, to a bound.

    No refusal is for good: a volume, a class or a node that is missed today may be there tomorrow. What
    waits for a person is looked at after ``longest`` at the latest.
    """
    bound = longest if first >= LATER else MINUTE
    return min(first * 2.0 ** min(times, DOUBLINGS), bound)
