"""README.md claims what the registry and the reports say."""

from __future__ import annotations

import re
from pathlib import Path

from tools import readme
from tools.driverdocs.__main__ import embedded
from tools.stepkit import plan
from tools.stepkit.cli import PLAN

RAN = "\n".join(f"| {what} | 3 | 0 | 0 |" for what in readme.SUITES.values())


def test_the_readme_is_true_and_names_every_suite() -> None:
    text = readme.README.read_text()
    # Whether all of them ran is asked before a release, by --check: here not all of them can have.
    faults = readme.faults(text, embedded())
    assert [each for each in faults if not each.endswith(readme.NOT_RUN)] == []
    assert all(f"\n| {what} | " in text for what in readme.SUITES.values())


def test_a_driver_that_is_missing_in_the_table_is_found() -> None:
    text = f"<!-- readme: begin; x -->\n| | loop |\n{RAN}\n<!-- readme: end -->"
    assert readme.faults(text, embedded()) == ["the drivers' table is stale"]


def test_a_suite_that_failed_is_found() -> None:
    table = readme.drivers_table({})
    text = f"<!-- readme: begin; x -->\n{table}\n{RAN}\n| unit | 3 | 1 | 0 |\n<!-- readme: end -->"
    assert readme.faults(text, {}) == ["unit: 1 failed when it was written"]


def test_a_suite_without_a_report_is_shown_as_not_run_and_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text('<testsuite tests="7" failures="0" skipped="0"/>')
    first, *others = readme.suites_table(tmp_path).splitlines()[2:]
    assert first == "| pure parts, and services over stateful fakes | 7 | 0 | 0 |"
    missing = [what for name, what in readme.SUITES.items() if name != "unit"]
    assert others == [f"| {what} | not run | | |" for what in missing]
    table = f"{readme.drivers_table({})}\n{readme.suites_table(tmp_path)}"
    text = f"<!-- readme: begin; x -->\n{table}\n<!-- readme: end -->"
    assert readme.faults(text, {}) == [f"{what}: not run" for what in missing]


def test_the_results_have_a_row_for_each_run_of_csi_sanity(tmp_path: Path) -> None:
    text = (
        '<testsuites><testsuite tests="103" disabled="1" failures="2" skipped="30"/></testsuites>'
    )
    (tmp_path / "thin-alpha.xml").write_text(text)
    assert "\n| thin-alpha | 70 | 2 | 31 |\n" in readme.results(tmp_path, tmp_path)


def test_the_published_results_are_good() -> None:
    rows = re.findall(
        r"^\| .* \| \d+ \| (\d+) \| \d+ \|$", readme.RESULTS.read_text(), re.MULTILINE
    )
    assert set(rows) <= {"0"}


def test_every_suite_is_a_step_that_leaves_a_report() -> None:
    steps = {step.name: step for step in plan.load(PLAN.read_text(), Path("reports"))}
    for name in readme.SUITES:
        assert f"reports/{name}.xml" in steps[name].command


def test_the_links_of_the_root_documents_lead_somewhere() -> None:
    root = readme.ROOT
    missing = [
        f"{page}: {link}"
        for page in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "STYLE.md")
        for link in re.findall(r"\]\(([^)#:]+)\)", (root / page).read_text())
        if not (root / link).exists()
    ]
    assert missing == []
