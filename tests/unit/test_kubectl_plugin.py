"""The kubectl plugin: it finds the pod of a node, and runs ``hearth`` in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parents[2] / "deploy/kubectl-hearth"
KUBECTL = """#!/bin/sh
if [ "$1" = get ]; then
    printf '%s' "$PODS"
    echo "$*" > "$LOG"
else
    printf '<%s>' "$@"
    cat
fi
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With a kubectl that says what it was asked."""
    kubectl = tmp_path / "kubectl"
    kubectl.write_text(KUBECTL)
    kubectl.chmod(0o755)
    return tmp_path


def run(home: Path, *arguments: str, pods: str, **environment: str) -> tuple[int, str, str]:
    ended = subprocess.run(
        [PLUGIN, *arguments],
        env={"PATH": f"{home}:{os.defpath}", "PODS": pods, "LOG": f"{home}/log", **environment},
        input="image",
        capture_output=True,
        text=True,
        check=False,
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_it_runs_in_the_pod_of_the_node_with_standard_input(home: Path) -> None:
    status, out, _ = run(home, "worker-1", "volume", "show", "a b", pods="ns pod-1\n")
    assert status == 0
    assert out == "<exec><--stdin><--namespace=ns><pod-1><--><hearth><volume><show><a b>image"
    asked = (home / "log").read_text()
    assert "spec.nodeName=worker-1" in asked
    assert "--all-namespaces" in asked


def test_a_namespace_can_be_named(home: Path) -> None:
    run(home, "worker-1", "orphan", "list", pods="ns pod-1\n", HEARTH_NAMESPACE="mine")
    assert "--namespace=mine" in (home / "log").read_text()


@pytest.mark.parametrize(
    ("pods", "says"),
    [("", "no pod of Hearth runs on node worker-1"), ("a p\nb p\n", "set HEARTH_NAMESPACE")],
)
def test_without_exactly_one_pod_nothing_is_run(home: Path, pods: str, says: str) -> None:
    status, out, err = run(home, "worker-1", "volume", "list", pods=pods)
    assert (status, out) == (1, "")
    assert says in err


def test_too_few_words_are_wrong_usage(home: Path) -> None:
    assert run(home, "worker-1", pods="")[0] == 2
