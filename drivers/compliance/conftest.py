"""The kit's fixtures: a backend for each subject, and a bench to try its driver on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

# Before the bench is imported: its checks tell what they compared, like those of a test.
pytest.register_assert_rewrite("drivers.compliance.bench", "drivers.compliance.crash")

from drivers.compliance import marks, subjects  # noqa: E402
from drivers.compliance.bench import Bench  # noqa: E402
from drivers.compliance.subjects import Bed, Subject  # noqa: E402
from drivers.interface import abilities  # noqa: E402

TIMEOUT = 900
"""Seconds for one test: the lab starts programs ten times slower than a machine does."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test for every driver asked for, or for every backend of each."""
    if "driver" in metafunc.fixturenames:
        metafunc.parametrize(
            "driver", subjects.drivers(metafunc.config), ids=lambda each: each.NAME
        )
    if "subject" in metafunc.fixturenames:
        found = subjects.subjects(metafunc.config)
        metafunc.parametrize("subject", found, ids=str, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out checks of what a driver does not claim to be able to do."""
    unfit = [item for item in items if not _fits(item)]
    items[:] = [item for item in items if item not in unfit]
    config.hook.pytest_deselected(items=unfit)
    for item in items:
        if "subject" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(TIMEOUT))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at how many points the drivers were killed, for a number that falls is a warning."""
    reports = terminalreporter.getreports("passed")
    deaths = sum(
        count for each in reports for name, count in each.user_properties if name == marks.DEATHS
    )
    if deaths:
        terminalreporter.write_line(
            f"killed at {deaths} points, and mended by the next call each time"
        )


def _fits(item: pytest.Item) -> bool:
    subject = getattr(item, "callspec", None) and item.callspec.params.get("subject")  # type: ignore[attr-defined]
    if not isinstance(subject, Subject):
        return True
    needed = marks.needed(marks.claimed(item.iter_markers()))
    return needed <= set(abilities(subject.driver)) - subject.lacks


@pytest.fixture(scope="session")
def bed(subject: Subject) -> Iterator[Bed]:
    """The subject's backend, made for this run."""
    with subject.prepare() as options:
        yield Bed(subject.driver, options)


@pytest.fixture(scope="module")
def opened(bed: Bed) -> Iterator[Bench]:
    """A driver of the subject, shared by the tests of a module."""
    bench = Bench(bed)
    yield bench
    bench.close()


@pytest.fixture
def bench(opened: Bench, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The driver on an empty backend, which the test must leave as it can be emptied again."""
    opened.clear()
    opened.called.clear()
    yield opened
    forgotten = marks.claimed(request.node.iter_markers()) - opened.called
    assert not forgotten, f"the test claims to check {sorted(forgotten)} and never called it"
    opened.clear()


@pytest.fixture
def point_limit(pytestconfig: pytest.Config) -> int | None:
    """``--crash-points``."""
    limit = pytestconfig.getoption("crash_points")
    assert limit is None or isinstance(limit, int)
    return limit
