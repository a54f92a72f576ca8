"""kubectl and helm with the cluster's kubeconfig: its own, or those of the machine where none were built."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from tools.clusterkit import errors
from tools.clusterkit.layout import Layout


def environment(layout: Layout) -> dict[str, str]:
    """This process's environment, with the cluster and its programs."""
    path = f"{layout.binaries}:{os.environ.get('PATH', os.defpath)}"
    return {**os.environ, "KUBECONFIG": str(layout.kubeconfig), "PATH": path}


def become(layout: Layout, program: str, arguments: Sequence[str]) -> NoReturn:
    """Be kubectl or helm from now on, with their status and streams."""
    if not layout.kubeconfig.exists():
        raise errors.ClusterFailed("no cluster is up: start one with `tools/cluster up`")
    replace([program, *arguments], environment(layout))


def replace(command: Sequence[str], variables: Mapping[str, str]) -> NoReturn:
    """Be another program from now on, found on the PATH that it is given."""
    try:
        os.execvpe(command[0], list(command), variables)  # noqa: S606
    except FileNotFoundError as e:
        raise errors.ClusterFailed(f"{command[0]} is not installed") from e


def run(layout: Layout, *arguments: str, text: str | None = None, program: str = "kubectl") -> str:
    """Run kubectl, or helm, and return its output."""
    command = [program, *arguments]
    try:
        done = subprocess.run(
            command,
            env=environment(layout),
            input=text or "",
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError as e:
        raise errors.ClusterFailed(f"{program} is not installed") from e
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{program} {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def apply(layout: Layout, *files: Path) -> None:
    """Apply manifests, files or folders, as they are."""
    run(layout, "apply", "--server-side", *(f"--filename={file}" for file in files))
