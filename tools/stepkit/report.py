"""What remains of a run: a table for people, JUnit for machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from tools.stepkit.runner import Ended, Outcome

SLOWEST = 25
"""How many tests are named, those that took longest."""
MESSAGE = 300
"""Characters of a failure's message that are repeated at the end."""


@dataclass(frozen=True, slots=True)
class Tests:
    """How many tests of the reports there are, by how they ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __bool__(self) -> bool:
        return self.passed + self.failed + self.skipped > 0

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def table(ended: Sequence[Ended]) -> str:
    """One line a step: its name, seconds, outcome, and its last words or the reason of its failure."""
    rows = [
        f"{each.step.name:>12} {each.seconds:8.1f} s  {each.outcome.value:<8}  "
        f"{each.why or each.last}".rstrip()
        for each in ended
    ]
    return "\n".join(rows)


def junit(ended: Sequence[Ended]) -> ET.ElementTree[ET.Element]:
    """The steps themselves as a JUnit suite."""
    suite = ET.Element(
        "testsuite",
        name="steps",
        tests=str(len(ended)),
        failures=str(_count(ended, Outcome.FAILED)),
        skipped=str(_count(ended, Outcome.LEFT_OUT)),
    )
    for each in ended:
        case = ET.SubElement(
            suite, "testcase", classname="steps", name=each.step.name, time=f"{each.seconds:.3f}"
        )
        if each.outcome is Outcome.FAILED:
            ET.SubElement(case, "failure", message=each.why)
        elif each.outcome is Outcome.LEFT_OUT:
            ET.SubElement(case, "skipped", message=each.why)
    return ET.ElementTree(suite)


def tests(reports: Iterable[Path]) -> Tests:
    """The sum over JUnit files, which pytest and Ginkgo write alike; absent files count nothing."""
    total = failed = skipped = 0
    for report in reports:
        if not report.exists():
            continue
        # Written by our own steps a moment ago: not hostile.
        for suite in ET.parse(report).getroot().iter("testsuite"):  # noqa: S314
            total += int(suite.get("tests", 0))
            failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            # Ginkgo counts what its authors have set aside as disabled.
            skipped += int(suite.get("skipped", 0)) + int(suite.get("disabled", 0))
    return Tests(total - failed - skipped, failed, skipped)


def slowest(reports: Iterable[Path]) -> list[str]:
    """The tests that took longest, with their step and seconds: where to begin if a run takes too long."""
    timed = [
        (float(case.get("time", 0)), f"{report.stem}: {case.get('name')}")
        for report in reports
        for case in _cases(report)
    ]
    longest = sorted(timed, reverse=True)[:SLOWEST]
    return [f"{seconds:8.1f} s  {name}" for seconds, name in longest if seconds >= 1]


def failures(reports: Iterable[Path]) -> list[str]:
    """A line for each test that failed: its step, its name, and the beginning of what it says.

    Meant to be printed last: where only the end of a long log is kept, it is what is needed.
    """
    return [
        f"FAILED {report.stem}: {case.get('name')}: {_message(what)[:MESSAGE]}"
        for report in reports
        for case in _cases(report)
        for what in case
        if what.tag in ("failure", "error")
    ]


def _cases(report: Path) -> Iterator[ET.Element]:
    if report.exists():
        yield from ET.parse(report).getroot().iter("testcase")  # noqa: S314  (see `tests`)


def _message(what: ET.Element) -> str:
    return " ".join((what.get("message") or what.text or "").split()) or "(no message)"


def _count(ended: Iterable[Ended], outcome: Outcome) -> int:
    return sum(each.outcome is outcome for each in ended)
