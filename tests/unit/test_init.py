"""The first process of a container: what it passes on, whom it waits for, and what it ends with.

A "subreaper" gets the children of the dead, as the first process of a container does.
"""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from csi import init
from drivers.lvm import cut, moment

BE_FIRST = """
import ctypes, os, signal, subprocess, sys, time
from csi import init
from drivers.lvm import cut, moment
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
init.watch(float(sys.argv[1]))
"""
IGNORE = "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
TERMINAL = "import os; os.open(os.ttyname(0), os.O_RDWR)\n"
COUNT = """
heard = []
signal.signal(signal.SIGINT, lambda *_: heard.append(1))
print("up", flush=True)
while not heard:
    time.sleep(0.01)
time.sleep(0.5)
sys.exit(len(heard))
"""
TERM = (
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7)); print('up', flush=True); time.sleep(60)"
)
LEAVES = "subprocess.Popen([sys.executable, '-c', {!r}]); os.kill(os.getpid(), signal.SIGKILL)"
LATE = "import time; time.sleep(0.5); print('done', flush=True)"
NEVER = "import time; time.sleep(60)"

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start() -> Start:
    def started(
        then: str, patience: float = 30, ignored: bool = False, terminal: int | None = None
    ) -> subprocess.Popen[str]:
        before = (IGNORE if ignored else "") + (TERMINAL if terminal else "")
        return subprocess.Popen(
            [sys.executable, "-c", before + BE_FIRST + then, str(patience)],
            stdin=terminal,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    return started


@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("", 0),
        ("sys.exit(2)", 2),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143),
    ],
)
def test_it_ends_as_the_driver_did(start: Start, then: str, status: int) -> None:
    with start(then) as first:
        assert first.wait(30) == status


def test_it_hears_of_an_end_where_that_was_ignored(start: Start) -> None:
    with start("sys.exit(3)", ignored=True) as first:
        assert first.wait(30) == 3


@pytest.mark.parametrize("number", sorted(init.PASSED_ON))
def test_it_passes_on_what_it_is_sent(start: Start, number: int) -> None:
    with start(TERM.replace("SIGTERM", signal.Signals(number).name)) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "up\n"
        first.send_signal(number)
        assert first.wait(30) == 7


def test_an_interrupt_of_a_terminal_comes_once(start: Start) -> None:
    """The terminal tells everybody in it."""
    mine, its = pty.openpty()
    try:
        with start(COUNT, terminal=its) as first:
            assert first.stdout is not None
            assert first.stdout.readline() == "up\n"
            os.write(mine, b"\x03")
            assert first.wait(30) == 1
    finally:
        os.close(mine)
        os.close(its)


def test_it_waits_for_longer_than_a_guardian_may_take() -> None:
    assert init.PATIENCE > moment.LIMIT + cut.LONGEST_CALL


def test_it_waits_for_those_that_the_driver_left(start: Start) -> None:
    with start(LEAVES.format(LATE)) as first:
        assert first.wait(30) == 137
        assert first.stdout is not None
        os.set_blocking(first.stdout.fileno(), False)
        assert first.stdout.read() == "done\n"


def test_it_does_not_wait_for_ever(start: Start, capfd: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    with start(LEAVES.format("import sys; sys.stdout.close(); " + NEVER), patience=0.5) as first:
        assert first.wait(30) == 137
    assert time.monotonic() - began < 30
    assert "is not finished, and is killed" in capfd.readouterr().err


def test_a_child_that_ends_early_is_taken_away_and_does_not_end_it(start: Start) -> None:
    """Its parent is dead, so nobody else would ever ask for its status."""
    then = (
        "middle = subprocess.Popen([sys.executable, '-c', "
        "'import subprocess; print(subprocess.Popen([\"true\"]).pid, flush=True)'])\n"
        "middle.wait(); time.sleep(0.5); print('up', flush=True); time.sleep(60)"
    )
    with start(then) as first:
        assert first.stdout is not None
        orphan = int(first.stdout.readline())
        assert first.stdout.readline() == "up\n"
        with pytest.raises(ProcessLookupError):
            os.kill(orphan, 0)
        first.terminate()
        assert first.wait(30) == 143


def test_any_other_process_is_left_as_it_is() -> None:
    before = os.getpid()
    init.outlive()
    assert os.getpid() == before
