"""The one door to programs: how they start, how they end, and what is said of them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.errors import Busy, CommandFailed, Unavailable
from drivers.exec import PATH, Host, companion, deadline, remaining

# It tells that it is ready and waits; SIGTERM makes it write that down and end well.
GENTLE = """
trap 'kill $!; echo terminated > "$0"; exit 0' TERM
echo ready > "$0"
sleep 20 > /dev/null 2>&1 &
wait
"""
STUBBORN = "trap '' TERM; echo ready > \"$0\"; exec sleep 20"


@contextmanager
def within(seconds: float) -> Iterator[None]:
    token = deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        deadline.reset(token)


def test_what_a_program_says_and_its_status() -> None:
    result = Host()(["sh", "-c", "echo out; echo err >&2; exit 3"], ok=(0, 3))
    assert (result.code, result.stdout, result.stderr) == (3, "out\n", "err\n")
    assert result.argv[0] == "sh"


def test_a_status_outside_the_allowed_ones_keeps_the_facts() -> None:
    with pytest.raises(CommandFailed) as caught:
        Host()(["sh", "-c", "echo too bad >&2; exit 3"], ok=(0, 5))
    failed = caught.value
    assert (failed.program, failed.code, failed.stderr) == ("sh", 3, "too bad\n")
    assert str(failed) == "sh exited with 3: too bad"


def test_a_program_that_was_killed_is_told_by_its_signal() -> None:
    with pytest.raises(CommandFailed, match="ended by signal 9: nothing on stderr"):
        Host()(["sh", "-c", "kill -9 $$"])


def test_the_text_of_a_failure_is_cut_but_not_its_facts() -> None:
    with pytest.raises(CommandFailed) as caught:
        Host()(["sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1"])
    assert len(caught.value.stderr) == 5004
    assert len(str(caught.value)) < 1100
    assert str(caught.value).endswith("xend")


def test_a_program_that_is_not_installed_is_unavailable_by_name() -> None:
    with pytest.raises(Unavailable, match="no-such-program is not installed on this node"):
        Host()(["no-such-program"])


def test_the_environment_is_ours_and_nothing_of_the_callers() -> None:
    os.environ["OF_THE_CALLER"] = "1"
    try:
        host = Host(environment={"A": "of the host", "B": "of the host"})
        said = host(["env"], environment={"B": "of the call"}).stdout
    finally:
        del os.environ["OF_THE_CALLER"]
    told = dict(line.partition("=")[::2] for line in said.splitlines())
    assert told == {"LC_ALL": "C", "PATH": PATH, "A": "of the host", "B": "of the call"}
    assert "/sbin" in PATH.split(":")


def test_a_question_of_a_program_is_answered_by_the_end_of_its_input() -> None:
    assert Host()(["sh", "-c", "read answer || echo nobody"]).stdout == "nobody\n"


def test_what_is_no_utf8_is_read_all_the_same() -> None:
    assert Host()(["printf", r"a\377b"]).stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_arguments_are_never_a_shells() -> None:
    assert Host()(["echo", "$(id)", "; ls", "*", Path("/x y")]).stdout == "$(id) ; ls * /x y\n"


def test_descriptors_are_passed_under_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("content")
    descriptor = os.open(tmp_path / "f", os.O_RDONLY)
    try:
        said = Host()(["cat", f"/dev/fd/{descriptor}"], pass_fds=(descriptor,)).stdout
    finally:
        os.close(descriptor)
    assert said == "content"


def test_at_the_deadline_a_program_gets_sigterm_and_may_finish(tmp_path: Path) -> None:
    began = time.monotonic()
    with within(1.0), pytest.raises(Busy, match="did not finish in time; ask again"):
        Host(grace=10)(["sh", "-c", GENTLE, tmp_path / "f"])
    assert (tmp_path / "f").read_text() == "terminated\n"
    assert time.monotonic() - began < 8


def test_sigkill_comes_only_when_the_grace_is_over(tmp_path: Path) -> None:
    began = time.monotonic()
    with within(1.0), pytest.raises(Busy):
        Host(grace=0.3)(["sh", "-c", STUBBORN, tmp_path / "f"])
    assert (tmp_path / "f").read_text() == "ready\n"
    assert 1.3 <= time.monotonic() - began < 8


def test_what_must_not_be_cut_off_outlives_the_deadline(tmp_path: Path) -> None:
    with within(0.0):
        Host()(["sh", "-c", f"sleep 0.1; echo done > {tmp_path / 'f'}"], wait=True)
    assert (tmp_path / "f").read_text() == "done\n"


def test_what_it_says_to_nobody_does_not_end_it(tmp_path: Path) -> None:
    """As when this process dies in the middle of a change of LVM's, which prints as it goes."""
    begun, done = tmp_path / "begun", tmp_path / "done"
    change = f"echo > {begun}; sleep 0.5; echo one; echo two >&2; echo > {done}"
    caller = f"from drivers.exec import Host; Host()(['sh', '-c', {change!r}], wait=True)"
    with subprocess.Popen([sys.executable, "-c", caller]) as process:
        wait_for(begun)
        process.kill()
    wait_for(done)


def wait_for(file: Path) -> None:
    end = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < end, file.name
        time.sleep(0.01)


def test_a_deadline_that_is_over_is_busy(tmp_path: Path) -> None:
    with within(-5), pytest.raises(Busy):
        Host()(["sleep", "20"])


def test_what_remains() -> None:
    assert remaining() is None
    with within(100):
        left = remaining()
        assert left is not None
        assert 99 < left <= 100
    with within(-1):
        assert remaining() == 0.0
    assert remaining() is None


def test_every_program_is_observed_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str, int, float]] = []
    host = Host(observe=lambda *told: seen.append(told))
    with caplog.at_level(logging.DEBUG, logger="drivers.exec"):
        host(["true"])
        with pytest.raises(CommandFailed):
            host(["false", "a b"])
    assert [told[:2] for told in seen] == [("true", 0), ("false", 1)]
    assert all(0 < told[2] < 10 for told in seen)
    assert "false 'a b' -> 1" in caplog.text


def test_a_step_does_nothing() -> None:
    assert Host().step("zero the ends") is None  # type: ignore[func-returns-value]


def test_a_companion_is_heard_and_learns_of_the_end() -> None:
    with companion(["sh", "-c", "echo ready; read line; exit 7"]) as beside:
        assert beside.hear() == b"ready\n"
        assert beside.release() == 7
        assert beside.hear() == b""


def test_a_companion_ends_with_the_block() -> None:
    with companion(["sh", "-c", "echo ready; cat; echo gone > /dev/null"]) as beside:
        beside.hear()
    assert beside.release() == 0


def test_nobody_waits_for_a_companion_that_was_given_up() -> None:
    with companion(["sleep", "60"]) as beside:
        assert beside.release(0.1) is None
    beside.kill()
    assert beside.release() == -9


def test_a_program_that_cannot_be_started_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "program").write_text("no program")
    with pytest.raises(Unavailable, match="cannot be started"):
        Host()([tmp_path / "program"])
    with pytest.raises(Unavailable, match="cannot be started"), companion([tmp_path / "program"]):
        pass
