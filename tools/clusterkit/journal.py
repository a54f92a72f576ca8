"""Printing the logs of nodes and of the control plane."""

import sys
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from tools.clusterkit import errors
from tools.clusterkit.layout import Layout

LAST_LINES = 10


def show(layout: Layout, names: Sequence[str]) -> None:
    """The whole logs of what was named, or the end of every log."""
    chosen = choose(sorted(layout.logs.glob("*.log")), names)
    for file in chosen:
        print(f"==> {file} <==")
        with file.open(errors="replace") as lines:
            sys.stdout.writelines(lines if names else deque(lines, LAST_LINES))


def choose(files: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """Those files that a name means: `n1` is all of a node, `n1-kubelet` one of its programs."""
    chosen = [file for file in files if not names or any(_means(name, file) for name in names)]
    if not chosen:
        known = ", ".join(file.stem for file in files) or "none at all"
        raise errors.ClusterFailed(f"no log is called {' or '.join(names)}: there are {known}")
    return chosen


def _means(name: str, file: Path) -> bool:
    name = f"n{name}" if name.isdecimal() else name
    return file.stem == name or file.stem.startswith(f"{name}-")
