"""The runner behind `make test` tells the truth: a failed step fails the run, in every way of failing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools.stepkit import plan, report
from tools.stepkit.plan import Step
from tools.stepkit.runner import Outcome, Runner


def python(name: str, code: str, needs: tuple[str, ...] = (), seconds: float = 30) -> Step:
    return Step(name, (sys.executable, "-c", code), needs=needs, seconds=seconds)


def test_a_step_passes_or_fails_by_its_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    ended = Runner(1, [0]).run([python("good", "print('hello')"), python("bad", "exit(3)")])
    assert [each.outcome for each in ended] == [Outcome.PASSED, Outcome.FAILED]
    assert "exit status 3" in ended[1].why
    assert "good | hello" in capsys.readouterr().out


def test_only_what_needs_a_failed_step_is_left_out() -> None:
    steps = [
        python("build", "exit(1)"),
        python("uses", "pass", needs=("build",)),
        python("uses-that", "pass", needs=("uses",)),
        python("other", "pass"),
    ]
    ended = Runner(2, [0]).run(steps)
    assert [each.outcome for each in ended] == [
        Outcome.FAILED,
        Outcome.LEFT_OUT,
        Outcome.LEFT_OUT,
        Outcome.PASSED,
    ]


def test_a_step_that_hangs_is_ended_with_its_children_and_fails() -> None:
    hang = "import subprocess; subprocess.run(['sleep', '60'])"
    (ended,) = Runner(1, [0]).run([python("hang", hang, seconds=1)])
    assert ended.outcome is Outcome.FAILED
    assert ended.seconds < 20
    assert "not done after 1 s" in ended.why


def test_a_step_that_a_signal_ended_says_which() -> None:
    (ended,) = Runner(1, [0]).run([python("shot", "import os; os.kill(os.getpid(), 9)")])
    assert ended.outcome is Outcome.FAILED
    assert "ended by SIGKILL" in ended.why


def test_a_program_that_is_missing_fails_its_step() -> None:
    (ended,) = Runner(1, [0]).run([Step("absent", ("/nonexistent/program",))])
    assert ended.outcome is Outcome.FAILED
    assert "No such file" in ended.why


def test_steps_that_run_at_once_are_given_different_cores(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell = "import os, time; print('core', os.environ['LAB_CPU']); time.sleep(1)"
    Runner(2, [4, 7]).run([python("one", tell), python("two", tell)])
    said = capsys.readouterr().out
    assert "core 4" in said
    assert "core 7" in said


def test_the_reports_of_the_steps_are_added_up(tmp_path: Path) -> None:
    file = tmp_path / "unit.xml"
    file.write_text(
        '<testsuites><testsuite tests="5" failures="1" errors="1" skipped="1"/></testsuites>'
    )
    assert str(report.tests([file, tmp_path / "absent.xml"])) == "2 passed, 2 failed, 1 skipped"


def test_the_slowest_tests_are_named_first(tmp_path: Path) -> None:
    file = tmp_path / "unit.xml"
    file.write_text(
        '<testsuite><testcase name="quick" time="0.2"/><testcase name="slow" time="1.5"/>'
        '<testcase name="slower" time="20"/></testsuite>'
    )
    assert report.slowest([file, tmp_path / "absent.xml"]) == [
        "    20.0 s  unit: slower",
        "     1.5 s  unit: slow",
    ]


def test_the_failed_tests_are_named_with_what_they_say(tmp_path: Path) -> None:
    file = tmp_path / "crash.xml"
    file.write_text(
        '<testsuites><testsuite><testcase name="test_good"/>'
        '<testcase name="test_bad"><failure message="assert 1 ==&#10;  2">long</failure></testcase>'
        '<testcase name="test_worse"><error>no set-up</error></testcase></testsuite></testsuites>'
    )
    assert report.failures([file, tmp_path / "absent.xml"]) == [
        "FAILED crash: test_bad: assert 1 == 2",
        "FAILED crash: test_worse: no set-up",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[step]]\nname="a"\nrun="x"\nneed=["b"]', "unknown keys: need"),
        ('[[step]]\nname="a"\nrun="x"\nneeds=["b"]', "needs b, not defined before"),
        ('[[step]]\nname="a"\nrun="x"\n[[step]]\nname="a"\nrun="y"', "two steps are called 'a'"),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(text: str, says: str) -> None:
    with pytest.raises(plan.BadPlan, match=says):
        plan.load(text, Path("build"))


def test_a_step_that_does_not_exist_cannot_be_chosen() -> None:
    with pytest.raises(plan.BadPlan, match="no step 'units'"):
        plan.choose([python("unit", "pass")], names=["units"], groups=[])


def test_the_projects_own_plan_is_valid() -> None:
    text = (Path(__file__).parents[2] / "tools/steps.toml").read_text()
    steps = plan.load(text, Path("build/junit"))
    assert {"format", "lint", "types", "imports", "spelling", "unit"} <= {s.name for s in steps}
