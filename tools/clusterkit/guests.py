"""Nodes as user-mode Linux guests: their disks, their start, their end, and the way in."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tools.clusterkit import agent, errors, guestfiles, plan, processes
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Node, Plan
from tools.labkit import kernel

ROOT_SIZE = 10 << 30  # sparse, as all disks are
INIT = Path(__file__).with_name("init.sh")
AGENT = Path(__file__).with_name("agent.py")
MODULES = Path("/lib/modules")


def record(layout: Layout, node: Node) -> Path:
    """Where it is kept which process the node is."""
    return layout.processes / node.name


def is_running(layout: Layout, node: Node) -> bool:
    """Whether the node's kernel is there; it need not have finished to boot."""
    return processes.leader(record(layout, node)) is not None


def boot(layout: Layout, node: Node, asked: Plan) -> None:
    """Start a node on the disks it has, or on new ones."""
    folder = layout.node(node.name)
    if not (folder / "root.img").exists():
        _make(layout, node, asked)
    cores = sorted(os.sched_getaffinity(0))
    processes.start(
        command_line(folder, node, asked, core=cores[node.number % len(cores)]),
        record=record(layout, node),
        log=layout.logs / f"{node.name}-console.log",
        environment={"TMPDIR": str(kernel.memory_folder(asked.memory))},
    )


def kill(layout: Layout, node: Node) -> bool:
    """End a node as a power cut would; False if it was not running."""
    return processes.kill(record(layout, node))


def shell(
    node: Node,
    command: Sequence[str],
    *,
    source: BinaryIO | None = None,
    output: BinaryIO | None = None,
    error: BinaryIO | None = None,
) -> int:
    """Run a command in a node with this process's streams, and return its status."""
    try:
        return agent.call(
            (node.address, plan.AGENT_PORT),
            command,
            source=source,
            output=output or sys.stdout.buffer,
            error=error or sys.stderr.buffer,
        )
    except OSError as e:
        raise errors.ClusterFailed(f"{node.name} does not answer: {e.strerror or e}") from e


def command_line(folder: Path, node: Node, asked: Plan, *, core: int) -> list[str]:
    """The program and arguments of a guest; it is pinned, or it would be several times slower."""
    disks = ["root.img", *(f"disk{number}.img" for number in range(1, len(asked.disks) + 1))]
    devices = [name.removeprefix("/dev/") for name in kernel.disk_names(len(disks))]
    return [
        *("taskset", "--cpu-list", str(core)),
        *kernel.process_namespace(),
        kernel.PROGRAM,
        f"mem={asked.memory >> 10}K",
        *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
        f"init={folder}/init",
        f"uml_dir={folder}",
        f"NODE_FOLDER={folder}",
        f"vec0:transport=tap,ifname={node.tap},depth=128,gro=1",
        *("quiet", "panic=-1", "lsm=", "pty.legacy_count=0"),
        *("con=null", "con0=null,fd:1"),
        *(f"{device}={folder / disk}" for device, disk in zip(devices, disks, strict=True)),
    ]


def _make(layout: Layout, node: Node, asked: Plan) -> None:
    """Disks, and what the first process reads; the root disk comes last and says that all is there."""
    folder = layout.node(node.name)
    folder.mkdir(parents=True, exist_ok=True)
    MODULES.mkdir(exist_ok=True)
    shutil.copy(INIT, folder / "init")
    shutil.copy(AGENT, folder / "agent.py")
    (folder / "settings").write_text(guestfiles.settings(layout, node, asked.members()))
    for number, size in enumerate(asked.disks, 1):
        _make_sparse(folder / f"disk{number}.img", size)
    _make_root(folder, guestfiles.own_files(layout, node))


def _make_root(folder: Path, files: dict[str, str]) -> None:
    unfinished = folder / "root.part"
    _make_sparse(unfinished, ROOT_SIZE)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        tree = Path(name)
        tree.chmod(0o755)
        guestfiles.write_root(tree, files)
        _copy_settings(tree / "etc")
        _make_filesystem(unfinished, tree)
    unfinished.rename(folder / "root.img")


def _copy_settings(target: Path) -> None:
    for name in guestfiles.COPIED:
        source = Path("/etc", name)
        if source.is_dir():
            shutil.copytree(source, target / name, symlinks=True)
        elif source.exists():
            shutil.copy(source, target / name)


def _make_filesystem(disk: Path, tree: Path) -> None:
    command = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=1", "-d", str(tree), str(disk)]
    path = {"PATH": f"{os.defpath}:/sbin:/usr/sbin"}
    done = subprocess.run(command, env=path, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{' '.join(command)}: {done.stderr.strip()}")


def _make_sparse(path: Path, size: int) -> None:
    path.touch(mode=0o600)
    os.truncate(path, size)
