"""Work that outlasts a call: found again, told, waited for as long as the caller may, stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from drivers.errors import Exhausted, InProgress, Unavailable
from drivers.exec import deadline
from drivers.lvm.blocks import Tick
from drivers.lvm.jobs import WORKERS, Job, Jobs


class Work:
    """Work of 10 bytes that tells 4, and goes on when it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.times = 0

    def __call__(self, tick: Tick) -> None:
        self.times += 1
        tick(4)
        self.begun.set()
        assert self.go.wait(10)
        tick(10)


@pytest.fixture
def work() -> Iterator[Work]:
    made = Work()
    yield made
    made.go.set()


@pytest.fixture
def jobs(work: Work) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    work.go.set()
    made.close()


def start(jobs: Jobs, work: Work, key: str = "k") -> Job:
    return jobs.start(key, "copy", f"b.{key}", 10, work)


def test_a_job_under_way_is_found_again_and_not_begun_twice(jobs: Jobs, work: Work) -> None:
    job = start(jobs, work)
    assert work.begun.wait(5)
    assert start(jobs, work) is job is jobs.find("k")
    work.go.set()
    jobs.wait(job)
    assert work.times == 1
    assert jobs.find("k") is None


def test_progress_is_told_while_it_runs(jobs: Jobs, work: Work) -> None:
    job = start(jobs, work)
    assert work.begun.wait(5)
    (progress,) = jobs.progress()
    assert (progress.job, progress.object_id, progress.done, progress.total) == (
        "copy",
        "b.k",
        4,
        10,
    )
    work.go.set()
    jobs.wait(job)
    assert jobs.progress() == []


def test_at_the_deadline_the_caller_is_told_how_far_it_is(jobs: Jobs, work: Work) -> None:
    job = start(jobs, work)
    assert work.begun.wait(5)
    token = deadline.set(time.monotonic() + 0.55)
    try:
        with pytest.raises(InProgress, match="4 of 10 bytes") as caught:
            jobs.wait(job)
        # In time for the answer to reach the caller.
        assert time.monotonic() < (deadline.get() or 0)
    finally:
        deadline.reset(token)
    assert (caught.value.done, caught.value.total) == (4, 10)
    work.go.set()
    jobs.wait(job)


def test_a_failure_reaches_who_waits_and_the_next_call_begins_anew(jobs: Jobs, work: Work) -> None:
    def fail(_tick: Tick) -> None:
        raise Exhausted("no room")

    job = jobs.start("k", "copy", "b.k", 10, fail)
    with pytest.raises(Exhausted, match="no room"):
        jobs.wait(job)
    assert jobs.find("k") is None
    work.go.set()
    jobs.wait(start(jobs, work))
    assert work.times == 1


def test_closing_stops_a_job_at_its_next_piece(work: Work) -> None:
    jobs = Jobs()
    job = start(jobs, work)
    assert work.begun.wait(5)
    threading.Timer(0.02, work.go.set).start()
    jobs.close()
    with pytest.raises(Unavailable, match="stopped"):
        jobs.wait(job)
    assert jobs.progress() == []


def test_who_waits_for_a_job_that_never_began_is_told_that_it_was_stopped(work: Work) -> None:
    jobs = Jobs()
    running = [start(jobs, work, f"running{number}") for number in range(WORKERS)]
    queued = start(jobs, work, "queued")
    threading.Timer(0.02, work.go.set).start()
    jobs.close()
    with pytest.raises(Unavailable, match="stopped"):
        jobs.wait(queued)
    assert jobs.progress() == []
    assert len(running) == WORKERS


def test_after_the_end_nothing_is_begun(work: Work) -> None:
    jobs = Jobs()
    jobs.close()
    with pytest.raises(Unavailable, match="stop"):
        start(jobs, work)
    assert jobs.progress() == []
