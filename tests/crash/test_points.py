"""A process is killed at every point of every call; the next one finishes or undoes.

Run by ``tools/lab run --disk 2G --disk 2G -- .venv/bin/python -m pytest tests/crash -s``; the number of
points and the seconds of each call are printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.crash import staging, storage
from tests.crash.disks import Disks, Kept
from tests.crash.door import Death
from tests.crash.points import Rehearsal, die_once, rehearse
from tests.crash.scenario import Scenario

pytestmark = [pytest.mark.lab, pytest.mark.fault, pytest.mark.timeout(600)]

SCENARIOS = [*storage.scenarios(), *staging.scenarios()]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_call_survives_death_at_every_point(
    scenario: Scenario, disks: Disks, bases: Callable[[bool], Kept]
) -> None:
    began = time.monotonic()
    rehearsal = rehearse(disks, bases, scenario)
    rehearsed = time.monotonic()
    points = list(rehearsal.points())
    failures = [told for death in points if (told := failure(rehearsal, death))]
    ended = time.monotonic()
    print(
        f"\n{scenario}: {len(rehearsal.met)} boundaries, {len(points)} points,"
        f" {rehearsed - began:.1f} s + {ended - rehearsed:.1f} s",
        flush=True,
    )
    assert failures == [], "\n\n".join(failures)


def failure(rehearsal: Rehearsal, death: Death) -> str:
    """What one death did that it must not do; all of them are told of together."""
    try:
        die_once(rehearsal, death)
    except AssertionError as error:
        told = "\n".join([*error.__notes__, str(error)])
        print(told, flush=True)
        return told
    return ""
