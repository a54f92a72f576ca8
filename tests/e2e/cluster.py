"""The nodes behind the cluster: their disks, mounts and lives, by tools/cluster."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOOL = str(ROOT / "tools/cluster")
POOLS = {"pool", "lvol0_pmspare"}


def tool(*arguments: str, text: str = "", timeout: float = 300) -> str:
    """What a subcommand of tools/cluster prints, given ``text``; raises AssertionError with its complaint."""
    return _run(arguments, text, timeout).stdout


def told(*arguments: str, timeout: float = 300) -> str:
    """The same, with what it says beside: Helm shows there what a hook has printed."""
    done = _run(arguments, "", timeout)
    return done.stdout + done.stderr


def _run(arguments: Sequence[str], text: str, timeout: float) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [TOOL, *arguments],
        input=text,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert not done.returncode, f"{' '.join(arguments)}: {done.stdout}{done.stderr}"
    return done


def on(node: str, script: str) -> str:
    """What a shell on a node prints."""
    return tool("node", "shell", node, "sh", "-c", script)


def lvm(node: str, command: str, *options: str) -> str:
    """What LVM says of a node's volume group, wherever the LVM is that can be asked."""
    return tool("node", "lvm", node, command, "--noheadings", *options)


def volumes(node: str) -> Mapping[str, str]:
    """The logical volumes of Hearth's group on a node, but for its pool: name to tags."""
    said = lvm(node, "lvs", "--separator=|", "--options=lv_name,lv_tags")
    rows = [line.strip().split("|") for line in said.splitlines()]
    return {name: tags for name, tags in rows if name not in POOLS}


def mounts(node: str) -> list[str]:
    """What kubelet has mounted there for volumes of Hearth."""
    said = on(node, "cat /proc/self/mounts")
    return [line for line in said.splitlines() if "/csi/" in line or "hearth" in line.split()[0]]
