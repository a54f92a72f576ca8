"""Nodes as user-mode Linux guests: their disks, their start, their end, and the way in."""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from tools.clusterkit import agent, disks, errors, guestfiles, plan, processes
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Node, Plan
from tools.labkit import kernel

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
    # Anew each time: the kernel, and so its modules, may be another by now.
    (folder / "settings").write_text(guestfiles.settings(layout, node, asked.members()))
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
    files = ["root.img", *(f"disk{number}.img" for number in range(1, len(asked.disks) + 1))]
    machine = kernel.found(os.environ)
    devices = [name.removeprefix("/dev/") for name in kernel.disk_names(len(files))]
    return [
        *("taskset", "--cpu-list", str(core)),
        *kernel.process_namespace(),
        machine.program,
        *machine.arguments,
        f"mem={asked.memory >> 10}K",
        *("root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro"),
        f"init={folder}/init",
        f"uml_dir={folder}",
        f"NODE_FOLDER={folder}",
        f"vec0:transport=tap,ifname={node.tap},depth=128,gro=1",
        *("quiet", "panic=-1", "lsm=", "pty.legacy_count=0"),
        *("con=null", "con0=null,fd:1"),
        *(f"{device}={folder / file}" for device, file in zip(devices, files, strict=True)),
    ]


def _make(layout: Layout, node: Node, asked: Plan) -> None:
    """What the first process reads, and the disks, whose presence says that all is there."""
    folder = layout.node(node.name)
    MODULES.mkdir(exist_ok=True)
    guestfiles.write(folder, guestfiles.own_files(layout, node))
    shutil.copy(INIT, folder / "init")
    shutil.copy(AGENT, folder / "agent.py")
    disks.make(layout, folder, asked.disks)
