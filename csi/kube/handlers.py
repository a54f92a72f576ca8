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
from csi.kube.record import Record
from csi.kube.refusals import Refused
from csi.kube.turns import turn

SLOWEST = 60.0
DOUBLINGS = 5


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
        kopf.on.create(*at, id="reconcile", **where)(doing)
        kopf.on.update(*at, id="reconcile", field="spec", **where)(doing)
        kopf.on.resume(*at, id="reconcile", **where)(doing)
        kopf.on.delete(*at, id="undo", **where)(
            _handler(partial(_undo, work, desk), work.kind, desk)
        )


def _is_of(driver: str, spec: Any, **_rest: Any) -> bool:
    return bool(spec.get("driver") == driver)


def _carry_out(work: Work, record: Record) -> None:
    # One that is to be deleted by now is undone next.
    if "deletionTimestamp" not in record.owner["metadata"]:
        work.carry_out(record)


def _undo(work: Work, desk: Desk, record: Record) -> None:
    work.undo(record)
    desk.ledger.forget(work.kind.name, record.owner["metadata"]["uid"])


def _handler(work: Callable[[Record], None], kind: Kind, desk: Desk) -> Callable[..., None]:
    def handle(body: Any, retry: int, **_rest: Any) -> None:
        record = None
        with turn(kind.name, body["metadata"]["name"]) as this:
            try:
                record = desk.open(kind, body)
                if record is not None:
                    work(record)
            except Refused as error:
                this.result = error.reason
                desk.ledger.ended(kind.name, error.reason, record)
                raise kopf.TemporaryError(str(error), delay=pause(error.again, retry)) from error
            this.result = "done"
            desk.ledger.ended(kind.name, "done", record)

    return handle


def pause(first: float, retry: int) -> float:
    """Seconds until the next try: longer each time, to a bound."""
    return min(first * 2.0 ** min(retry, DOUBLINGS), max(first, SLOWEST))
