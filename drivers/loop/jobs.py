"""Copies that may outlast the call that asked for them.

A job is a thread under the name of what it makes. A call that cannot wait for it says `InProgress`, and
the repeated call finds the job. A job does not outlive its process: what it made is without a name until
it is complete, and the repeated call starts it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from drivers.errors import InProgress, StorageError, Unavailable
from drivers.exec import remaining
from drivers.model import Progress

Made = TypeVar("Made")


class Stopped(Unavailable):
    """The process is ending; the repeated call starts the copy again."""


class Job(Generic[Made]):
    """One piece of work in a thread of its own. ``total`` is its length in bytes."""

    def __init__(self, name: str, total: int, work: Callable[[Job[Made]], Made]) -> None:
        self.name = name
        self.total = total
        self.done = 0
        self._work = work
        self._stop = threading.Event()
        self._made: Made | None = None
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._keep, name=f"copy {name}")

    @property
    def succeeded(self) -> bool:
        """Whether it has ended well."""
        return self._made is not None

    def start(self) -> None:
        """Begin in a thread. Called once."""
        self._thread.start()

    def run(self) -> Made:
        """Do it here and now instead, and return what it made."""
        return self._work(self)

    def advance(self, done: int) -> None:
        """Note that ``done`` bytes are done; raises `Stopped` if the job should end."""
        self.done = done
        if self._stop.is_set():
            raise Stopped(f"the copy for {self.name} was stopped; it starts again when asked for")

    def stop(self) -> None:
        """End the job at its next step, and return when it has ended."""
        self._stop.set()
        self._thread.join()

    def wait(self, seconds: float | None) -> bool:
        """Wait for the end, at most so long; whether it has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def result(self) -> Made:
        """What an ended job made; raises what made it fail."""
        if self._failure is not None:
            raise self._failure
        assert self._made is not None  # noqa: S101  (an ended job has one or the other)
        return self._made

    def _keep(self) -> None:
        try:
            self._made = self.run()
        except (OSError, StorageError) as e:
            self._failure = e


class Jobs(Generic[Made]):
    """The copies of one backend, by the key of what they make.

    A job that succeeded is forgotten at once, for its result is on the disk; one that failed, when
    somebody has been told.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._jobs: dict[str, Job[Made]] = {}

    def finish(self, key: str, begin: Callable[[], Job[Made]]) -> Made:
        """What the job makes, begun now or earlier; `InProgress` at the caller's deadline."""
        with self._guard:
            job = self._jobs.get(key)
            if job is None or job.succeeded:
                job = self._jobs[key] = begin()
                job.start()
        if not job.wait(remaining()):
            message = f"{job.name} is being copied: {job.done} of {job.total} bytes; ask again"
            raise InProgress(message, done=job.done, total=job.total)
        self._forget(key, job)
        return job.result()

    def progress(self) -> list[Progress]:
        """How far each is."""
        return [Progress("copy", job.name, job.done, job.total) for job in self._all()]

    def stop(self) -> None:
        """End all at their next step."""
        for job in self._all():
            job.stop()

    def _all(self) -> list[Job[Made]]:
        with self._guard:
            return [job for job in self._jobs.values() if not job.succeeded]

    def _forget(self, key: str, job: Job[Made]) -> None:
        with self._guard:
            if self._jobs.get(key) is job:
                del self._jobs[key]
