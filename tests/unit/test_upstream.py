"""The check of Kubernetes' own tests: what is not explained, failed, or is missing is told."""

from __future__ import annotations

from tools import upstream

LIST = """
[passes]
all = 2
focused = 1

[[skip]]
says = "doesn't support ext3"
capability = "ext3"
why = "ext4 mounts it"
most = 1
"""
REPORT = """
<testsuites><testsuite name="e2e" tests="5">
<testcase name="[SynchronizedBeforeSuite] " status="passed"/>
<testcase name="[It] External [Testpattern: Dynamic PV (ext3)] one" status="skipped">
  <skipped message="skipped - Driver doesn't support ext3 -- skipping"/></testcase>
<testcase name="[It] External [Testpattern: Dynamic PV (xfs)] two" status="passed"/>
<testcase name="[It] External [Testpattern: Dynamic PV (xfs)] three" status="passed"/>
<testcase name="[It] Network four" status="skipped"><skipped message="skipped"/></testcase>
{more}
</testsuite></testsuites>
"""
FAILED = """<testcase name="[It] External five" status="failed">
<failure message="no such&#10;volume"/></testcase>"""
SECOND = """<testcase name="[It] External seven" status="skipped">
<skipped message="skipped - Driver doesn't support ext3"/></testcase>"""
BEFORE = """<testcase name="[SynchronizedBeforeSuite]" status="failed">
<failure message="no nodes"/></testcase>"""
UNEXPLAINED = """<testcase name="[It] External six" status="skipped">
<skipped message="skipped - needs a moon"/></testcase>"""


def told(more: str = "", passes: str = "all = 2") -> list[str]:
    specs = upstream.read(REPORT.format(more=more))
    return list(upstream.faults(specs, upstream.load(LIST.replace("all = 2", passes)), "all"))


def test_a_run_that_is_as_listed_is_good() -> None:
    assert told() == []


def test_what_a_filter_left_out_did_not_match() -> None:
    names = [each.name for each in upstream.read(REPORT.format(more=""))]
    assert len(names) == 3
    assert "Network four" not in names


def test_a_failure_is_named_with_what_it_says() -> None:
    assert told(FAILED) == ["FAILED External five: failed: no such volume"]


def test_a_skip_that_nobody_explained_is_named() -> None:
    (line,) = told(UNEXPLAINED)
    assert line.startswith(
        "SKIPPED without a reason in upstream.toml: External six: - needs a moon"
    )


def test_more_skips_than_explained_are_a_fault() -> None:
    assert told(SECOND) == ["2 specs lack ext3, upstream.toml says 1"]


def test_what_fails_before_all_specs_is_named() -> None:
    assert told(BEFORE) == ["FAILED [SynchronizedBeforeSuite]: failed: no nodes"]


def test_fewer_passes_than_listed_are_a_fault() -> None:
    assert told(passes="all = 3") == ["2 specs passed, upstream.toml says 3"]


def test_the_page_counts_by_kind_of_volume_and_by_reason() -> None:
    page = upstream.page(upstream.read(REPORT.format(more="")), upstream.load(LIST))
    assert "3 matched, 2 passed, 1 were skipped" in page
    assert "| Dynamic PV (xfs) | 2 | 0 |" in page
    assert "| ext3 | 1 | ext4 mounts it |" in page


def test_the_list_of_the_project_can_be_read() -> None:
    assert upstream.load(upstream.LIST.read_text()).passes["all"] > 0
