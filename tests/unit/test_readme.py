"""README.md claims what the registry and the reports say."""

from __future__ import annotations

import re
from pathlib import Path

from tools import readme
from tools.driverdocs.__main__ import embedded
from tools.stepkit import plan
from tools.stepkit.cli import PLAN


def test_the_readme_is_true() -> None:
    assert readme.faults(readme.README.read_text(), embedded()) == []


def test_a_driver_that_is_missing_in_the_table_is_found() -> None:
    text = "<!-- readme: begin; x -->\n| | loop |\n<!-- readme: end -->"
    assert readme.faults(text, embedded()) == ["the drivers' table is stale"]


def test_a_suite_that_failed_is_found() -> None:
    table = readme.drivers_table({})
    text = f"<!-- readme: begin; x -->\n{table}\n| unit | 3 | 1 | 0 |\n<!-- readme: end -->"
    assert readme.faults(text, {}) == ["unit: 1 failed when it was written"]


def test_only_suites_with_a_report_are_claimed(tmp_path: Path) -> None:
    (tmp_path / "unit.xml").write_text('<testsuite tests="7" failures="0" skipped="0"/>')
    assert readme.suites_table(tmp_path).splitlines()[2:] == [
        "| pure parts, and services over stateful fakes | 7 | 0 | 0 |"
    ]


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
