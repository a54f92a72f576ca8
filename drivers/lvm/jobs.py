"""Work that outlasts a call: it goes on in the background, is told from memory, and stops when asked.

Nothing here is durable, and nothing needs to be: what a job works on carries its marks in LVM, and the
repeated call starts the job again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from drivers.errors import InProgress, StorageError, Unavailable
from drivers.exec import remaining
from drivers.lvm.blocks import Tick
from drivers.model import Progress

log = logging.getLogger(__name__)

# Copies share the same disks: more at a time only seek.
WORKERS = 2


@dataclass(slots=True, eq=False)
class Job:
    """One piece of work; ``done`` and ``total`` in bytes."""

    name: str
    object_id: str
    total: int
    done: int = 0
    future: Future[None] = field(default_factory=Future)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return Progress(self.name, self.object_id, self.done, self.total)


class Jobs:
    """The jobs of one backend by key."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._stop = threading.Event()
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="lvm-job")

    def start(
        self, key: str, name: str, object_id: str, total: int, work: Callable[[Tick], None]
    ) -> Job:
        """Begin ``work``, unless the job of that key is under way already.

        Raises `Unavailable` after `close`.
        """
        with self._guard:
            job = self._jobs.get(key)
            if job is None:
                if self._stop.is_set():
                    raise _stopped(name, object_id)
                job = self._jobs[key] = Job(name, object_id, total)
                job.future = self._workers.submit(self._work, key, job, work)
            return job

    def find(self, key: str) -> Job | None:
        """The job of that key while it is under way."""
        return self._jobs.get(key)

    def wait(self, job: Job) -> None:
        """Wait for the job, at most until the caller's deadline: then `InProgress`.

        Raises what the job raised.
        """
        # A little before the deadline, so that the answer still reaches the caller.
        left = remaining()
        try:
            job.future.result(None if left is None else max(0.0, left - 0.5))
        except TimeoutError:
            raise InProgress(
                f"{job.name} of {job.object_id} goes on: {job.done} of {job.total} bytes; ask again",
                done=job.done,
                total=job.total,
            ) from None
        except CancelledError:
            raise _stopped(job.name, job.object_id) from None

    def progress(self) -> Sequence[Progress]:
        """All jobs under way."""
        with self._guard:
            return [job.progress for job in self._jobs.values()]

    def close(self) -> None:
        """Stop all jobs at their next piece and wait for that."""
        with self._guard:
            self._stop.set()
        self._workers.shutdown(cancel_futures=True)
        self._jobs.clear()

    def _work(self, key: str, job: Job, work: Callable[[Tick], None]) -> None:
        def tick(done: int) -> None:
            job.done = done
            if self._stop.is_set():
                raise _stopped(job.name, job.object_id)

        log.info("%s of %s begins: %d bytes", job.name, job.object_id, job.total)
        try:
            work(tick)
        except StorageError as error:
            # The caller may have gone long ago; its next call begins the job anew.
            log.warning("%s of %s failed: %s", job.name, job.object_id, error)
            raise
        finally:
            with self._guard:
                del self._jobs[key]
        log.info("%s of %s is done", job.name, job.object_id)


def _stopped(name: str, object_id: str) -> Unavailable:
    return Unavailable(f"{name} of {object_id} was stopped; it begins anew when asked")
