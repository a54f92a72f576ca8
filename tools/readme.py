"""`python -m tools.readme [--check]`: the tables of README.md, from the registry and the test reports.

A README that is written by hand claims what was true once. This one lists the drivers that register,
and how each suite ended by the report that a test run has left in build; without one it says "not run".
The results are published in docs/reference/test-results.md as well, with those of csi-sanity one by one.
`--check` fails if the drivers' table is not what the registry says, or a suite did not run or not pass.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from drivers.interface import VolumeDriver, interfaces
from tools.driverdocs.__main__ import embedded
from tools.stepkit import report

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "docs/reference/test-results.md"
REPORTS = ROOT / "build/junit"
SANITY = ROOT / "build/sanity"
MARKED = re.compile(
    r"(<!-- readme: begin;[^>]*-->\n)(?P<inside>.*)(<!-- readme: end -->)", re.DOTALL
)

FEATURES: Mapping[str, str] = {
    "VolumeDriver": "create, delete, list, grow, mount, copy images",
    "SnapshotDriver": "snapshots, restore",
    "CloneDriver": "clones",
    "RevertDriver": "revert to a snapshot",
    "ManageDriver": "bring existing volumes in, let them go",
    "ManageSnapshotsDriver": "bring existing snapshots in, let them go",
    "GroupDriver": "snapshot several volumes at one moment",
}
NOT_RUN = "not run"
SUITES: Mapping[str, str] = {
    "unit": "pure parts, and services over stateful fakes",
    "kit": "the compliance kit rejects broken drivers, and serves outsiders",
    "compliance": "every driver passes the compliance kit on real storage",
    "integration": "bytes, filesystems, capacity, stale data and 1,000 calls at once on real LVM",
    "crash": "killed at every step of every call, and in the middle of long work",
    "cuts": "several volumes frozen under writers, who show if it was not one moment",
    "sanity": "the real csi-sanity on LVM thin, LVM thick and loop, and through the router",
    "sanity-alpha": "the same with everything that CSI marks as alpha",
    "lab": "the lab itself",
}


def main(arguments: Sequence[str]) -> int:
    """0 if README.md is written or true, 1 with the reason if not."""
    parser = argparse.ArgumentParser(prog="python -m tools.readme", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    given = parser.parse_args(arguments)
    text = README.read_text(encoding="utf-8")
    if given.check:
        return _complain(faults(text, embedded()))
    made = f"{drivers_table(embedded())}\n\n{suites_table(REPORTS)}\n"
    README.write_text(MARKED.sub(lambda found: found[1] + made + found[3], text), encoding="utf-8")
    RESULTS.write_text(results(REPORTS, SANITY), encoding="utf-8")
    return 0


def drivers_table(drivers: Mapping[str, type[VolumeDriver]]) -> str:
    """Which driver can do what."""
    names = sorted(drivers)
    rows = [f"| | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for each in interfaces():
        marks = ["yes" if issubclass(drivers[name], each) else "no" for name in names]
        rows.append(f"| {FEATURES[each.__name__]} | {' | '.join(marks)} |")
    return "\n".join(rows)


def suites_table(reports: Path) -> str:
    """How the last run of each suite ended."""
    rows = ["| suite | passed | failed | skipped |", "|---|---|---|---|"]
    for name, what in SUITES.items():
        if counted := report.tests([reports / f"{name}.xml"]):
            rows.append(f"| {what} | {counted.passed} | {counted.failed} | {counted.skipped} |")
        else:
            rows.append(f"| {what} | {NOT_RUN} | | |")
    return "\n".join(rows)


def results(reports: Path, sanity: Path) -> str:
    """The page on which the results of the drivers' tests are published."""
    return f"""<!-- Written by `make readme` from the reports of `make test`. -->

# Test results

How the suites of `make test` ended when this page was written. [csi-sanity](csi-sanity.md) says why specs of
it are skipped.

{suites_table(reports)}

## csi-sanity

| storage | passed | failed | skipped |
|---|---|---|---|
{sanity_rows(sanity)}
"""


def sanity_rows(folder: Path) -> str:
    """How each run of csi-sanity ended; a name that ends with ``-alpha`` is with ``--alpha``."""
    counted = {path.stem: report.tests([path]) for path in sorted(folder.glob("*.xml"))}
    return "\n".join(
        f"| {name} | {each.passed} | {each.failed} | {each.skipped} |"
        for name, each in counted.items()
    )


def faults(text: str, drivers: Mapping[str, type[VolumeDriver]]) -> list[str]:
    """What is not true in the marked part of a README, and which suites have not run."""
    found = MARKED.search(text)
    if found is None:
        return ["README.md has lost its marks for the generated table"]
    inside = found["inside"]
    wrong = [] if drivers_table(drivers) in inside else ["the drivers' table is stale"]
    for row in re.findall(r"^\| (.*?) \| (\d+) \| (\d+) \| (\d+) \|$", inside, re.MULTILINE):
        if row[2] != "0":
            wrong.append(f"{row[0]}: {row[2]} failed when it was written")
    return wrong + [f"{what}: {NOT_RUN}" for what in SUITES.values() if not _has_run(what, inside)]


def _has_run(what: str, table: str) -> bool:
    return bool(re.search(rf"^\| {re.escape(what)} \| \d+ \|", table, re.MULTILINE))


def _complain(wrong: Sequence[str]) -> int:
    if wrong:
        print(f"readme: {'; '.join(wrong)}: run `make test`, then `make readme`", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
