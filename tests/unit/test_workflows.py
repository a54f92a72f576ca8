"""The workflows of .github, which nothing here runs: they parse, and what they call is there."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
CALLED = re.compile(r"(?<![\w./-])(?:tools|tests|deploy|docs)/[\w./-]+")
PINNED = re.compile(r"[\w-]+/[\w-]+@v\d+")
STEP = {"uses", "run"}


def read(file: Path) -> dict[str, Any]:
    # YAML 1.1 takes the key `on` for a truth value; this loader keeps every word a word.
    content = yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506
    assert isinstance(content, dict)
    return content


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in read(file)["jobs"].values() for step in job["steps"]]


def test_there_is_one_for_kind() -> None:
    kind = read(ROOT / ".github/workflows/e2e-kind.yaml")
    assert set(kind["on"]) == {"pull_request", "push", "workflow_dispatch"}
    assert kind["on"]["push"] == {"branches": ["main"]}
    script = " ".join(step.get("run", "") for step in kind["jobs"]["e2e"]["steps"])
    assert re.search(r"WITH=kind .*tools/e2e ", script)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_may_only_read_and_ends_by_itself(file: Path) -> None:
    content = read(file)
    assert content["permissions"] == {"contents": "read"}
    assert all(0 < int(job["timeout-minutes"]) <= 90 for job in content["jobs"].values())


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_step_is_an_action_of_one_major_version_or_a_script(file: Path) -> None:
    assert all(len(STEP & set(step)) == 1 for step in steps(file))
    actions = [step["uses"] for step in steps(file) if "uses" in step]
    assert [action for action in actions if not PINNED.fullmatch(action)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_script_calls_what_is_there(file: Path) -> None:
    called = {path for step in steps(file) for path in CALLED.findall(step.get("run", ""))}
    assert called
    assert [path for path in called if not os.access(ROOT / path, os.X_OK)] == []


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_the_logs_of_a_failure_are_kept(file: Path) -> None:
    kept = [step for step in steps(file) if "upload-artifact" in step.get("uses", "")]
    assert [step["if"] for step in kept] == ["failure()"]
