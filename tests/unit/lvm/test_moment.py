"""The driver's end of a cut, with programs that end in every way; and the lock that LVM takes as well."""

from __future__ import annotations

import fcntl
import os
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from drivers.errors import Busy
from drivers.lvm import cut
from drivers.lvm.moment import Plan, Taken, Unsettled, cut_together

PLAN = Plan("pool", ((1, 2),))
READY = "import sys, time; sys.stdin.readline(); print('ready', flush=True);"
GO = "assert sys.stdin.readline() == 'go\\n';"


def cutting(code: str, *, current: bool = True, patience: float = 20.0) -> Taken:
    program = [sys.executable, "-I", "-S", "-c", code]
    return cut_together("vg", PLAN, lambda: current, program, patience)


def test_what_was_cut_tells_the_pause() -> None:
    taken = cutting(f"{READY}{GO} print('cut 0.012500 2027-01-15T08:00:00.500000+00:00')")
    assert taken == Taken(datetime(2027, 1, 15, 8, 0, 0, 500_000, UTC), 0.0125)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print('failed the lock is taken', flush=True)", "nothing was cut: the lock is taken"),
        ("", "nothing was cut: the program that cuts was ended"),
        (f"{READY}{GO} print('failed the guardian died'); sys.exit(1)", "the guardian died"),
        (f"{READY}{GO} import os; os.kill(os.getpid(), 9)", "the program that cuts was ended"),
        (f"{READY}{GO} print('cut 0.01 x'); sys.exit(1)", "given up"),
    ],
)
def test_whatever_else_it_says_is_aborted(code: str, words: str) -> None:
    with pytest.raises(Busy, match=words):
        cutting(code)


@pytest.mark.parametrize(
    ("code", "is_settled"),
    [
        ("print('failed it is frozen'); sys.exit(1)", True),
        ("print('resumed', flush=True); import os; os.kill(os.getpid(), 9)", True),
        ("import os; os.kill(os.getpid(), 9)", False),
        ("print('stuck a device does not go on'); sys.exit(1)", False),
        ("print('cut 0.01'); sys.exit(1)", False),
    ],
)
def test_it_is_told_whether_anybody_said_that_all_go_on(code: str, is_settled: bool) -> None:
    words = "and all volumes go on" if is_settled else "it is not known whether all volumes go on"
    with pytest.raises(Busy, match=words) as told:
        cutting(f"{READY}{GO} {code}")
    assert isinstance(told.value, Unsettled) is not is_settled


def test_one_that_hangs_is_killed() -> None:
    with pytest.raises(Busy, match="cannot be synced in time"):
        cutting("import time; time.sleep(60)", patience=0.3)
    with pytest.raises(Busy, match="given up"):
        cutting(f"{READY}{GO} time.sleep(60)", patience=0.3)


def test_a_plan_that_is_outdated_is_not_carried_out(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code = f"{READY} open({str(seen)!r}, 'w').write(repr(sys.stdin.readline()))"
    with pytest.raises(Busy, match="changed meanwhile"):
        cutting(code, current=False)
    assert seen.read_text() == "''", "its input ended, and nobody said go"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "lvm" / "V_vg"


def test_the_lock_is_held_until_it_is_closed(lock: Path) -> None:
    held = cut.locked(str(lock))
    with pytest.raises(cut.Failed, match="holds the lock"):
        cut.locked(str(lock), 0.2)
    os.close(held)
    os.close(cut.locked(str(lock)))


def test_a_lock_that_was_removed_by_its_holder_is_taken_anew(lock: Path) -> None:
    lock.parent.mkdir()
    theirs = os.open(lock, os.O_RDWR | os.O_CREAT)
    fcntl.flock(theirs, fcntl.LOCK_EX)

    def leave() -> None:
        lock.unlink()  # as LVM does it
        os.close(theirs)

    timer = threading.Timer(0.1, leave)
    timer.start()
    ours = cut.locked(str(lock))
    timer.join()
    assert os.path.samestat(lock.stat(), os.fstat(ours))
    os.close(ours)
