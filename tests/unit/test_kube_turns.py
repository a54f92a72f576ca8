"""Each look of the operator after a resource is one line of the log."""

from __future__ import annotations

import json
import logging
import re
from typing import Any

import kopf
import pytest

from csi import logs
from csi.kube import turns
from csi.kube.handlers import Desk, register
from csi.kube.kinds import VOLUME_IMPORT, Kind
from csi.kube.ledger import Ledger
from csi.kube.refusals import LATER, SOON, Refused


class Work:
    """What is done for imports: nothing, a refusal, or a bug."""

    kind: Kind = VOLUME_IMPORT

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.during: list[str] = []

    def carry_out(self, _record: Any) -> None:
        self.during.append(logs.call_id.get())
        if self.failure:
            raise self.failure

    def undo(self, _record: Any) -> None:
        raise NotImplementedError


class Record:
    """A resource that is there."""

    owner = {"metadata": {"name": "data", "uid": "u"}, "spec": {}}  # noqa: RUF012

    def __getitem__(self, _key: str) -> str:
        return "Bound"


def handled(work: Work) -> None:
    """Have kopf's handler for such resources called, as kopf does."""
    registry = kopf.OperatorRegistry()
    opened: Any = lambda _kind, _seen: Record()  # noqa: E731
    register(registry, [work], Desk("d", opened, Ledger(lambda _kind, _result: None)))
    handler: Any = registry._changing._handlers[0]
    handler.fn(body=Record.owner)


@pytest.mark.parametrize(
    ("failure", "result", "raised"),
    [
        (None, "done", None),
        (Refused("InUse", "it is open"), "InUse", kopf.TemporaryError),
        (KeyError("a bug"), "broken", KeyError),
    ],
)
def test_a_look_makes_one_line_with_kind_name_result_and_duration(
    caplog: pytest.LogCaptureFixture,
    failure: Exception | None,
    result: str,
    raised: type[Exception] | None,
) -> None:
    caplog.set_level(logging.INFO, turns.__name__)
    work = Work(failure)
    if raised is None:
        handled(work)
    else:
        with pytest.raises(raised):
            handled(work)
    [record] = caplog.records
    line = json.loads(logs.Json().format(record))
    assert (line["kind"], line["name"], line["result"]) == ("VolumeImport", "data", result)
    assert 0 <= line["seconds"] < 5
    [during] = work.during
    assert re.fullmatch("[0-9a-f]{8}", during)
    assert logs.call_id.get() == logs.NO_CALL


def delays(desk: Desk, work: Work, *failures: Exception) -> list[float]:
    """How long kopf is told to wait, for one refusal after the other."""
    registry, found = kopf.OperatorRegistry(), []
    register(registry, [work], desk)
    handler: Any = registry._changing._handlers[0]
    for work.failure in failures:
        with pytest.raises(kopf.TemporaryError) as raised:
            handler.fn(body=Record.owner)
        found.append(raised.value.delay)
    return found


def test_what_is_refused_for_the_same_reason_is_looked_at_less_and_less() -> None:
    opened: Any = lambda _kind, _seen: Record()  # noqa: E731
    desk = Desk("d", opened, Ledger(lambda _kind, _result: None))
    soon, late = Refused("Waiting", "a moment", SOON), Refused("InUse", "it is open")
    assert delays(desk, Work(), *[soon] * 20)[-1] == 60.0
    # What only waited until now has not been refused yet.
    assert delays(desk, Work(), *[late] * 12) == [
        *(LATER * 2**times for times in range(10)),
        3600,
        3600,
    ]


def test_what_passes_in_between_ends_no_row_of_refusals() -> None:
    opened: Any = lambda _kind, _seen: Record()  # noqa: E731
    desk = Desk("d", opened, Ledger(lambda _kind, _result: None))
    soon, late = Refused("Busy", "a moment", SOON), Refused("InUse", "it is open")
    assert delays(desk, Work(), late, soon, late, soon) == [LATER, SOON, 2 * LATER, 2 * SOON]


def test_a_resource_that_is_gone_is_forgotten_whoever_let_go_of_it() -> None:
    opened: Any = lambda _kind, _seen: Record()  # noqa: E731
    ledger = Ledger(lambda _kind, _result: None)
    registry = kopf.OperatorRegistry()
    register(registry, [Work()], Desk("d", opened, ledger))
    create: Any = registry._changing._handlers[0]
    create.fn(body=Record.owner)
    assert ledger.phases() == {("VolumeImport", "Bound"): 1}
    handlers: Any = registry._watching._handlers
    [event] = [each for each in handlers if each.id == "count"]
    event.fn(event={"type": "MODIFIED"}, body=Record.owner)
    assert ledger.phases() == {("VolumeImport", "Bound"): 1}
    event.fn(event={"type": "DELETED"}, body=Record.owner)
    assert ledger.phases() == {}


def test_what_sleeps_when_the_operator_begins_counts_by_what_it_says_of_itself() -> None:
    opened: Any = lambda _kind, _seen: Record()  # noqa: E731
    ledger, registry = Ledger(lambda _kind, _result: None), kopf.OperatorRegistry()
    register(registry, [Work()], Desk("d", opened, ledger))
    handlers: Any = registry._watching._handlers
    [event] = [each for each in handlers if each.id == "count"]
    event.fn(event={"type": None}, body=Record.owner | {"status": {"phase": "Refused"}})
    assert ledger.phases() == {("VolumeImport", "Refused"): 1}
    create: Any = registry._changing._handlers[0]
    create.fn(body=Record.owner)
    assert ledger.phases() == {("VolumeImport", "Bound"): 1}, "what a look has found is newer"


def test_what_is_refused_in_a_rehearsal_is_looked_at_every_few_minutes() -> None:
    rehearsed: Any = Record()
    rehearsed.owner = Record.owner | {"spec": {"dryRun": True}}
    desk = Desk("d", lambda _kind, _seen: rehearsed, Ledger(lambda _kind, _result: None))
    assert delays(desk, Work(), *[Refused("InUse", "it is open")] * 8) == [
        *(LATER * 2**times for times in range(6)),
        300,
        300,
    ]


def test_what_rests_is_looked_at_once_something_else_is_wanted() -> None:
    asked: Any = Record()
    opened: Any = lambda _kind, _seen: asked  # noqa: E731
    ledger = Ledger(lambda _kind, _result: None)
    registry, desk, work = kopf.OperatorRegistry(), Desk("d", opened, ledger), Work()
    register(registry, [work], desk)
    handlers: Any = registry._watching._handlers
    [event] = [each for each in handlers if each.id == "wake"]
    mark = "operator.d/reconcile"

    def seen(generation: int, observed: int | None = None, **marks: str) -> kopf.Patch:
        metadata = {"name": "data", "uid": "u", "generation": generation, "annotations": marks}
        asked.owner, patch = {"metadata": metadata, "spec": {}}, kopf.Patch()
        if observed is not None:
            asked.owner["status"] = {"observedGeneration": observed}
        event.fn(event={"type": "MODIFIED"}, body=asked.owner, patch=patch)
        return patch

    gone = {"metadata": {"annotations": {mark: None}}}
    assert not seen(2, **{mark: "..."}), "nobody knows what was wanted when it was refused"
    assert seen(2, observed=1, **{mark: "..."}) == gone, "an operator that is no more has told"
    assert not seen(2, observed=2, **{mark: "..."})
    refused = Refused("InUse", "it is open")
    assert delays(desk, work, refused, refused) == [LATER, 2 * LATER]
    assert not seen(2, **{mark: "..."})
    assert seen(3, **{mark: "..."}) == gone
    assert not seen(3), "nothing is taken off that is not there"
    assert delays(desk, work, refused) == [LATER], "another wish has not been refused yet"
