"""Runs steps, as many at once as there are cores, and streams what they say, line by line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from enum import Enum
from queue import SimpleQueue

from tools.stepkit.plan import Step

GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL for a step that ran too long: a lab has a guest to end."""


class Outcome(Enum):
    """How a step ended."""

    PASSED = "passed"
    FAILED = "FAILED"
    LEFT_OUT = "left out"


@dataclass(frozen=True, slots=True)
class Ended:
    """A step that is over: its last line that says anything, and why it did not pass."""

    step: Step
    outcome: Outcome
    seconds: float = 0.0
    last: str = ""
    why: str = ""


class Runner:
    """Runs a list of steps once."""

    def __init__(self, jobs: int, cores: Sequence[int]) -> None:
        self._jobs = jobs
        self._cores: SimpleQueue[int] = SimpleQueue()
        for slot in range(jobs):
            self._cores.put(cores[slot % len(cores)])
        self._print = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()

    def run(self, steps: Sequence[Step]) -> list[Ended]:
        """Run all whose needs pass, and return how each ended, in the order of ``steps``.

        A need that is not among ``steps`` counts as met: somebody chose to go without it.
        """
        ended: dict[str, Ended] = {}
        waiting = list(steps)
        running: set[Future[Ended]] = set()
        with ThreadPoolExecutor(self._jobs) as pool:
            try:
                while waiting or running:
                    for step in _ready(waiting, steps, ended)[: self._jobs - len(running)]:
                        waiting.remove(step)
                        running.add(pool.submit(self._settle, step, dict(ended)))
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    ended |= {each.step.name: each for each in (one.result() for one in done)}
            except KeyboardInterrupt:
                self._stop_all()
                raise
        return [ended[each.name] for each in steps]

    def _settle(self, step: Step, ended: dict[str, Ended]) -> Ended:
        needs = [ended[name] for name in step.needs if name in ended]
        if unmet := [each.step.name for each in needs if each.outcome is not Outcome.PASSED]:
            return Ended(step, Outcome.LEFT_OUT, why=f"{', '.join(unmet)} did not pass")
        core = self._cores.get()
        try:
            self._say(step, "begins")
            result = self._execute(step, core)
            self._say(step, f"{result.outcome.value} after {result.seconds:.1f} s")
            return result
        finally:
            self._cores.put(core)

    def _execute(self, step: Step, core: int) -> Ended:
        began = time.monotonic()
        try:
            process = _start(step, core)
        except OSError as e:
            return Ended(step, Outcome.FAILED, why=f"{step.command[0]}: {e.strerror}")
        self._running.add(process)
        with _TimeLimit(process, step.seconds) as limit:
            last = self._stream(step, process)
            code = process.wait()
        self._running.discard(process)
        seconds = time.monotonic() - began
        if limit.passed:
            why = f"not done after {step.seconds:.0f} s"
            return Ended(step, Outcome.FAILED, seconds, last, why)
        if code != 0:
            how = f"exit status {code}" if code > 0 else f"ended by {signal.Signals(-code).name}"
            return Ended(step, Outcome.FAILED, seconds, last, f"{how}: {last}")
        return Ended(step, Outcome.PASSED, seconds, last)

    def _stream(self, step: Step, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None  # noqa: S101  (a pipe was asked for)
        last = ""
        with process.stdout as lines:
            for line in lines:
                self._say(step, line.rstrip())
                last = line.strip(" =\n") or last
        return last

    def _say(self, step: Step, line: str) -> None:
        with self._print:
            sys.stdout.write(f"{step.name:>12} | {line}\n")
            sys.stdout.flush()

    def _stop_all(self) -> None:
        for process in list(self._running):
            _signal(process, signal.SIGTERM)


class _TimeLimit:
    """Ends a process and its children when they run too long."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self.passed = False
        self._process = process
        self._soft = threading.Timer(seconds, self._pass)
        self._hard = threading.Timer(seconds + GRACE, _signal, (process, signal.SIGKILL))

    def __enter__(self) -> _TimeLimit:
        self._soft.start()
        self._hard.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._soft.cancel()
        self._hard.cancel()

    def _pass(self) -> None:
        self.passed = True
        _signal(self._process, signal.SIGTERM)


def _ready(waiting: Sequence[Step], steps: Sequence[Step], ended: dict[str, Ended]) -> list[Step]:
    chosen = {each.name for each in steps}
    return [each for each in waiting if chosen & set(each.needs) <= set(ended)]


def _start(step: Step, core: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        step.command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Guests that run at the same time must not share a core.
        env={**os.environ, "LAB_CPU": str(core), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    # To the whole session: what a step has started would keep its output open.
    os.killpg(process.pid, number)
