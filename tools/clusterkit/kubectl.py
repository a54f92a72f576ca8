"""The cluster's own kubectl and helm, run with its kubeconfig."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.clusterkit import errors
from tools.clusterkit.layout import Layout


def environment(layout: Layout) -> dict[str, str]:
    """This process's environment, with the cluster and its programs."""
    path = f"{layout.binaries}:{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "KUBECONFIG": str(layout.kubeconfig), "PATH": path}


def become(layout: Layout, program: str, arguments: Sequence[str]) -> None:
    """Be kubectl or helm from now on, with their status and streams."""
    if not layout.kubeconfig.exists():
        raise errors.ClusterFailed("no cluster is up: start one with `tools/cluster up`")
    path = layout.binaries / program
    os.execve(path, [program, *arguments], environment(layout))  # noqa: S606


def run(layout: Layout, *arguments: str, text: str | None = None) -> str:
    """Run kubectl and return its output."""
    command = [str(layout.binaries / "kubectl"), *arguments]
    done = subprocess.run(
        command,
        env=environment(layout),
        input=text or "",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise errors.ClusterFailed(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def apply(layout: Layout, *files: Path) -> None:
    """Apply manifests as they are."""
    run(layout, "apply", "--server-side", *(f"--filename={file}" for file in files))
