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
from csi.kube.refusals import Refused


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

    owner = {"metadata": {"name": "data", "uid": "u"}}  # noqa: RUF012

    def __getitem__(self, _key: str) -> str:
        return "Bound"


def handled(work: Work) -> None:
    """Have kopf's handler for such resources called, as kopf does."""
    registry = kopf.OperatorRegistry()
    opened: Any = lambda _kind, _seen: Record()  # noqa: E731
    register(registry, [work], Desk("d", opened, Ledger(lambda _kind, _result: None)))
    handler: Any = registry._changing._handlers[0]
    handler.fn(body=Record.owner, retry=0)


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
