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
    found = sorted([*layout.logs.glob("*.log"), *layout.logs.glob("*/*.log")])
    for file in choose([each.relative_to(layout.logs) for each in found], names):
        print(f"==> {layout.logs / file} <==")
        with (layout.logs / file).open(errors="replace") as lines:
            sys.stdout.writelines(lines if names else deque(lines, LAST_LINES))


def choose(files: Sequence[Path], names: Sequence[str]) -> list[Path]:
    """Those files that a name means: `n1` is all of a node, `n1-kubelet` one of its programs.

    kind gives each node a folder: `hearth-worker` and `hearth-worker-kubelet` are meant in the same way.
    """
    chosen = [file for file in files if not names or any(_means(name, file) for name in names)]
    if not chosen:
        known = ", ".join(_title(file) for file in files) or "none at all"
        raise errors.ClusterFailed(f"no log is called {' or '.join(names)}: there are {known}")
    return chosen


def _means(name: str, file: Path) -> bool:
    name = f"n{name}" if name.isdecimal() else name
    return _title(file) == name or _title(file).startswith(f"{name}-")


def _title(file: Path) -> str:
    return "-".join(file.with_suffix("").parts)
