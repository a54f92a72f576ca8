"""A process is killed at every point of every call; the next one finishes or undoes.

Run by ``tools/lab run --disk 2G --disk 2G -- .venv/bin/python -m pytest tests/crash``; the number of
points and the seconds of each call are printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest

from tests.crash import adoption, coverage, grouping, recovery, staging, storage
from tests.crash.boundaries import LOOKS, Boundary
from tests.crash.disks import Disks, Kept
from tests.crash.door import Death
from tests.crash.points import Rehearsal, Tried, die_once, rehearse
from tests.crash.scenario import Scenario

pytestmark = [pytest.mark.lab, pytest.mark.fault, pytest.mark.timeout(600)]

SCENARIOS = [
    *storage.scenarios(),
    *staging.scenarios(),
    *adoption.scenarios(),
    *grouping.scenarios(),
    *recovery.scenarios(),
]

Bases = Callable[[bool], Kept]


@dataclass(slots=True)
class Ledger:
    """What was met and tried so far."""

    met: dict[str, Sequence[Boundary]] = field(default_factory=dict)
    tried: Tried = field(default_factory=Tried)
    points: int = 0
    seconds: float = 0


@pytest.fixture(scope="module")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    return Ledger(tried=Tried(sample=pytestconfig.getoption("sample")))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_call_survives_death_at_every_point(
    scenario: Scenario,
    disks: Disks,
    bases: Bases,
    ledger: Ledger,
    capsys: pytest.CaptureFixture[str],
) -> None:
    began = time.monotonic()
    rehearsal = rehearse(disks, bases, scenario)
    points = list(rehearsal.points(ledger.tried))
    failures = [told for death in points if (told := failure(rehearsal, death))]
    seconds = time.monotonic() - began
    ledger.met[scenario.name] = rehearsal.met
    ledger.points, ledger.seconds = ledger.points + len(points), ledger.seconds + seconds
    with capsys.disabled():
        print(f"\n{scenario}: {len(rehearsal.met)} boundaries,", end=" ")
        print(f"{len(points)} points, {seconds:.1f} s", flush=True)
    assert failures == [], "\n\n".join(failures)


def test_whatever_the_code_can_do_has_a_point(
    disks: Disks,
    bases: Bases,
    ledger: Ledger,
    record_testsuite_property: Callable[[str, object], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    for scenario in SCENARIOS:
        if scenario.name not in ledger.met:
            ledger.met[scenario.name] = rehearse(disks, bases, scenario).met
    record_testsuite_property("points", ledger.points)
    with capsys.disabled():
        print(f"\n{ledger.points} points in {ledger.seconds:.0f} s", flush=True)
    met = [each for each in ledger.met.values() for each in each]
    assert missed(met) == []


def missed(met: Sequence[Boundary]) -> list[str]:
    """What is in the source and in none of the boundaries that were met."""
    kinds = {each.kind for each in met}
    tags = {tag for each in met for tag in each.tags}
    commands = [
        f"commands.{name} ({kind})"
        for name, kind in coverage.command_kinds().items()
        if kind not in kinds and not LOOKS.fullmatch(kind)
    ]
    programs = [
        f"{place} ({program})"
        for place, program in coverage.programs().items()
        if program not in kinds and not LOOKS.fullmatch(program)
    ]
    steps = [
        f"{place} ({pattern.pattern})"
        for place, pattern in coverage.steps()
        if not any(each.place == place and pattern.fullmatch(each.text) for each in met)
    ]
    marks = [
        f"names.{name}"
        for name, mark in coverage.marks().items()
        if not any(tag.startswith(f"+{mark}") for tag in tags)
    ]
    return [*commands, *programs, *steps, *marks, *coverage.silent_effects()]


def failure(rehearsal: Rehearsal, death: Death) -> str:
    """What one death did that it must not do; all of them are told of together."""
    try:
        die_once(rehearsal, death)
    except AssertionError as error:
        told = "\n".join([*error.__notes__, str(error)])
        print(told, flush=True)
        return told
    return ""
