"""The command line of tools/steps."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tools.stepkit import plan, report
from tools.stepkit.runner import Outcome, Runner

CHECKOUT = Path(__file__).resolve().parents[2]
PLAN = CHECKOUT / "tools/steps.toml"
JUNIT = Path("build/junit")


def main(arguments: Sequence[str]) -> int:
    """Run the chosen steps; 0 if all passed, 1 if one did not, 2 if the choice makes no sense."""
    given = _parser().parse_args(arguments)
    os.chdir(CHECKOUT)
    try:
        steps = plan.load(PLAN.read_text(), JUNIT)
        if not given.all:
            steps = tuple(plan.choose(steps, names=given.name, groups=given.group))
    except plan.BadPlan as e:
        print(f"steps: {e}", file=sys.stderr)
        return 2
    # A step's processes are in sessions of their own: whoever ends this one must reach them too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(steps, given.jobs)
    except KeyboardInterrupt:
        return 130


def _run(steps: Sequence[plan.Step], jobs: int) -> int:
    JUNIT.mkdir(parents=True, exist_ok=True)
    reports = [JUNIT / f"{each.name}.xml" for each in steps]
    for old in reports:
        old.unlink(missing_ok=True)
    began = time.monotonic()
    ended = Runner(jobs, sorted(os.sched_getaffinity(0))).run(steps)
    report.junit(ended).write(JUNIT / "steps.xml", encoding="utf-8", xml_declaration=True)
    print(f"\n{report.table(ended)}\n{'total':>12} {time.monotonic() - began:8.1f} s\n")
    for line in report.slowest(reports):
        print(line)
    if tests := report.tests(reports):
        print(f"tests: {tests}")
    for line in report.failures(reports):
        print(line)
    return int(any(each.outcome is not Outcome.PASSED for each in ended))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/steps",
        description="Run steps of tools/steps.toml, stream their output, print their seconds.",
    )
    parser.add_argument("name", nargs="*", help="a step")
    parser.add_argument("--group", action="append", default=[], help="all steps of a group")
    parser.add_argument("--all", action="store_true", help="every step")
    parser.add_argument(
        "--jobs",
        type=int,
        default=len(os.sched_getaffinity(0)),
        metavar="N",
        help="steps at once (default: as many as there are cores)",
    )
    return parser
