"""Kubernetes' own tests for external storage: what of them ran, and whether it is all that has to.

A suite that skips what a driver does not announce is green without having tried anything. So every skip
has to be explained in a committed list, and there is a number of specs that must have passed.

    python -m tools.upstream REPORT.xml... [--part all|focused] [--write]
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tests/e2e/upstream.toml"
PAGE = ROOT / "docs/reference/upstream-tests.md"
SPEC = "[It] "
PATTERN = re.compile(r"\[Testpattern: (?P<pattern>[^\]]+)\]")
"""How the suite names the kind of volume that a spec tries."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One spec that matched: how it ended, and what the suite said when it skipped or failed it."""

    title: str
    status: str
    said: str

    @property
    def is_spec(self) -> bool:
        """Whether it is not what comes before or after all of them."""
        return self.title.startswith(SPEC)

    @property
    def name(self) -> str:
        """Its title, without what all specs begin with."""
        return self.title.removeprefix(SPEC)

    @property
    def pattern(self) -> str:
        """The kind of volume it tries."""
        found = PATTERN.search(self.name)
        return found["pattern"] if found else "other"


@dataclass(frozen=True, slots=True)
class Skip:
    """A skip that is explained, of so many specs at most: one more has lost what it had."""

    says: re.Pattern[str]
    capability: str
    why: str
    most: int


@dataclass(frozen=True, slots=True)
class Expected:
    """The committed list."""

    passes: Mapping[str, int]
    skips: Sequence[Skip]

    def reason(self, spec: Spec) -> Skip | None:
        """Why a spec is skipped; None if nobody said."""
        return next((each for each in self.skips if each.says.search(spec.said)), None)


def load(text: str) -> Expected:
    """Read tests/e2e/upstream.toml."""
    content = tomllib.loads(text)
    skips = [
        Skip(re.compile(each["says"]), each["capability"], each["why"], each["most"])
        for each in content["skip"]
    ]
    return Expected(content["passes"], skips)


def read(report: str) -> list[Spec]:
    """The specs of Ginkgo's JUnit report; those that its filter left out are not among them.

    Neither are those that a run did not come to: Ginkgo's exit status tells of them. What comes before and
    after all specs is one if it failed.
    """
    # Written by our own run a moment ago: not hostile.
    cases = ET.fromstring(report).iter("testcase")  # noqa: S314
    specs = [_spec(case) for case in cases]
    return [each for each in specs if each.said or (each.is_spec and each.status != "skipped")]


def _spec(case: ET.Element) -> Spec:
    skipped = case.find("skipped")
    said = "" if skipped is None else skipped.get("message", "")
    failure = next((each for kind in ("failure", "error") for each in case.iter(kind)), None)
    if failure is not None:
        said = failure.get("message") or failure.text or ""
    said = " ".join(said.removeprefix("skipped").split())
    return Spec(case.get("name", ""), case.get("status", ""), said)


def faults(specs: Sequence[Spec], expected: Expected, part: str) -> Iterator[str]:
    """What is wrong with a run, a line for each."""
    for each in specs:
        if each.status == "skipped" and not expected.reason(each):
            yield f"SKIPPED without a reason in {LIST.name}: {each.name}: {each.said}"
        if each.status not in ("passed", "skipped"):
            yield f"FAILED {each.name}: {each.status}: {each.said[:300]}"
    for skip, number in _explained(specs, expected):
        if number > skip.most:
            yield f"{number} specs lack {skip.capability}, {LIST.name} says {skip.most}"
    passed, least = sum(each.status == "passed" for each in specs), expected.passes[part]
    if passed < least:
        yield f"{passed} specs passed, {LIST.name} says {least}"


def page(specs: Sequence[Spec], expected: Expected) -> str:
    """The page of the documentation about a whole run."""
    count = Counter(each.status for each in specs)
    lines = [
        "# Kubernetes' own storage tests",
        "",
        "Written by `python -m tools.upstream --write` from the JUnit report of `make e2e-upstream`.",
        "",
        f"Of the external storage suite, all specs but the disruptive ones: {len(specs)} matched,"
        f" {count['passed']} passed, {count['skipped']} were skipped by the suite itself.",
        "",
        "| kind of volume | passed | skipped |",
        "|---|---|---|",
        *_patterns(specs),
        "",
        "Why specs were skipped, by what the suite asked for and did not find:",
        "",
        "| capability | specs | why it is not there |",
        "|---|---|---|",
        *_reasons(specs, expected),
        "",
    ]
    return "\n".join(lines)


def _patterns(specs: Sequence[Spec]) -> Iterator[str]:
    for pattern in sorted({each.pattern for each in specs}):
        mine = Counter(each.status for each in specs if each.pattern == pattern)
        yield f"| {pattern} | {mine['passed']} | {mine['skipped']} |"


def _reasons(specs: Sequence[Spec], expected: Expected) -> Iterator[str]:
    for skip, number in _explained(specs, expected):
        yield f"| {skip.capability} | {number} | {skip.why} |"


def _explained(specs: Sequence[Spec], expected: Expected) -> list[tuple[Skip, int]]:
    """The reasons, and how many specs were skipped for each, most first."""
    reasons = [expected.reason(each) for each in specs if each.status == "skipped"]
    return Counter(each for each in reasons if each).most_common()


def main(arguments: Sequence[str]) -> int:
    """Check a report, and write the page if that is asked for."""
    parser = argparse.ArgumentParser(description="Check a report of Kubernetes' storage tests.")
    parser.add_argument("report", type=Path, nargs="+")
    parser.add_argument("--part", choices=("all", "focused"), default="all")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    given = parser.parse_args(arguments)
    specs = [each for report in given.report for each in read(report.read_text())]
    expected = load(LIST.read_text())
    if given.write:
        PAGE.write_text(page(specs, expected))
    found = list(faults(specs, expected, given.part))
    count = Counter(each.status for each in specs)
    print(f"upstream: {len(specs)} matched: {dict(count)}", *found, sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
