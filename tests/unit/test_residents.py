"""Programs that are kept running, with a small one that does what it is told."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers import residents
from drivers.errors import CommandFailed
from drivers.exec import Host
from drivers.residents import Resident

SCRIPT = """\
import os, sys, time
print("ready", flush=True)
for line in sys.stdin:
    name, what, *words = line.split()
    if what == "die":
        if int(words[0]) < 0:
            os.kill(os.getpid(), -int(words[0]))
        os._exit(int(words[0]))
    if what == "sleep":
        time.sleep(float(words[0]))
    out = f"{os.getpid()} {os.environ.get('MARK')} {words}"
    code = 5 if what == "fail" else 0
    print(code, len(out), len(what), int(what == "last"), flush=True)
    print(out, what, sep="", end="", flush=True)
"""


@pytest.fixture
def resident(tmp_path: Path) -> Resident:
    script = tmp_path / "echo.py"
    script.write_text(SCRIPT)
    return Resident(script)


def said(host: Host, resident: Resident, *words: str, **environment: str) -> list[str]:
    done = host(["echo", *words], wait=True, environment=environment, resident=resident)
    return done.stdout.split(" ", 2)


@contextmanager
def working(host: Host, resident: Resident, seconds: str) -> Iterator[Future[list[str]]]:
    """For the block, the resident is at work on a command of another thread."""
    with ThreadPoolExecutor() as pool:
        busy = pool.submit(said, host, resident, "sleep", seconds)
        time.sleep(0.2)
        yield busy


def test_one_process_takes_command_after_command(resident: Resident) -> None:
    host = Host()
    first, second = (said(host, resident, "say", word) for word in ("one", "two"))
    assert first[0] == second[0] != str(os.getpid())
    assert [first[2], second[2]] == ["['one']", "['two']"]


def test_both_outputs_and_the_status_are_those_of_the_command(resident: Resident) -> None:
    seen: list[tuple[str, int, float]] = []
    host = Host(observe=lambda *told: seen.append(told))
    with pytest.raises(CommandFailed, match="fail") as caught:
        said(host, resident, "fail")
    assert caught.value.code == 5
    assert [told[:2] for told in seen] == [("echo", 5)]


def test_another_environment_has_another_process(resident: Resident) -> None:
    host = Host()
    one, two = said(host, resident, "say", MARK="1"), said(host, resident, "say", MARK="2")
    assert one[0] != two[0]
    assert [one[1], two[1]] == ["1", "2"]
    assert said(host, resident, "say", MARK="1")[0] == one[0]


def test_what_it_read_at_its_start_has_changed(resident: Resident) -> None:
    host = Host()
    before = said(host, resident, "say")
    after = said(host, Resident(resident.script, (1,)), "say")
    assert before[0] != after[0]


@pytest.mark.parametrize(("status", "seen"), [("7", -9), ("0", -9), ("-15", -15)])
def test_one_that_dies_at_work_is_a_process_that_was_killed(
    resident: Resident, status: str, seen: int
) -> None:
    host = Host()
    before = said(host, resident, "say")
    with pytest.raises(CommandFailed) as caught:
        said(host, resident, "die", status)
    assert caught.value.code == seen
    assert said(host, resident, "say")[0] != before[0]


def test_one_that_died_in_its_sleep_is_not_missed(resident: Resident) -> None:
    host = Host()
    pid = int(said(host, resident, "say")[0])
    os.kill(pid, 9)
    time.sleep(0.1)
    # Nothing was begun, so an ordinary process takes the command: the program `echo`.
    assert said(host, resident, "say") == ["say\n"]
    assert int(said(host, resident, "say")[0]) != pid


def test_who_finds_it_busy_starts_a_process(
    resident: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residents, "PATIENCE", 0.05)
    host = Host()
    said(host, resident, "say")
    with working(host, resident, "0.5") as busy:
        assert said(host, resident, "say") == ["say\n"]
        assert busy.result()[2] == "['0.5']"


def test_one_that_ends_after_its_answer_is_not_asked_again(resident: Resident) -> None:
    host = Host()
    first = said(host, resident, "last")
    assert said(host, resident, "say")[0] != first[0]


def test_an_answer_that_nobody_waited_for_is_no_answer_to_the_next(resident: Resident) -> None:
    host = Host()
    said(host, resident, "say")
    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(Interrupted):
            said(host, resident, "sleep", "1")
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert said(host, resident, "say", "next")[2] == "['next']"


def test_a_fork_has_residents_of_its_own(resident: Resident, tmp_path: Path) -> None:
    host, told = Host(), tmp_path / "told"
    pid = said(host, resident, "say")[0]
    if (child := os.fork()) == 0:
        try:
            told.write_text(said(host, resident, "say")[0])
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert told.read_text() not in ("", pid)
    assert said(host, resident, "say")[0] == pid


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_leaving_one_that_hangs_takes_no_longer_than_a_goodbye(
    resident: Resident, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residents, "GOODBYE", 0.2)
    host = Host()
    said(host, resident, "say")
    with working(host, resident, "1.5") as busy:
        (home,) = host._residents._homes.values()
        began = time.monotonic()
        assert home._process is not None
        home._process.end()
        assert time.monotonic() - began < 1
        assert busy.result()[2] == "['1.5']"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_one_that_is_not_ready_for_too_long_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(residents, "START", 0.2)
    monkeypatch.setattr(residents, "GOODBYE", 0.1)
    script = tmp_path / "slow.py"
    script.write_text("import time; time.sleep(1)")
    assert said(Host(), Resident(script), "say") == ["say\n"]


class Interrupted(Exception):
    """As of a test that took too long."""


def interrupt(_number: int, _frame: object) -> None:
    raise Interrupted


def test_one_that_cannot_start_is_not_tried_again(tmp_path: Path) -> None:
    script, tries = tmp_path / "broken.py", tmp_path / "tries"
    script.write_text(f"open({str(tries)!r}, 'a').write('x'); raise SystemExit(1)")
    host = Host()
    for _ in range(3):
        assert said(host, Resident(script), "say") == ["say\n"]
    assert tries.read_text() == "x"


def test_an_old_one_makes_room(resident: Resident, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(residents, "LIFE", 2)
    host = Host()
    pids = [said(host, resident, "say")[0] for _ in range(3)]
    assert pids[0] == pids[1] != pids[2]


def test_it_ends_with_its_door(resident: Resident) -> None:
    host = Host()
    pid = int(said(host, resident, "say")[0])
    del host
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
