"""What is done with nodes that run: waiting for them, giving them images and volume groups."""

import io
import json
import time
from collections.abc import Sequence
from pathlib import Path

from tools.clusterkit import errors, guests, kubectl
from tools.clusterkit.layout import Layout
from tools.clusterkit.plan import Node
from tools.clusterkit.progress import say
from tools.labkit import status

PATIENCE = 120
PAUSE = 0.1
FIRST_DISK = "/dev/ubdb"
GROUP = "hearth"
BOOT = "/proc/sys/kernel/random/boot_id"
SETTLED = "until [ -e /run/settled ]; do sleep 0.1; done"
# A file of this machine is seen in a node wherever hostfs mounts its folder.
IMPORT = """\
set -e
mkdir -p /run/archive
mount -t hostfs -o "$1" none /run/archive
trap 'umount /run/archive' EXIT
/cluster/bin/ctr --namespace k8s.io images import --local "/run/archive/$2"
sync # a node may be killed at any time
"""
PREPARE = f"""\
lvs {GROUP}/pool >/dev/null 2>&1 && exit
set -e
vgs {GROUP} >/dev/null 2>&1 || vgcreate --quiet --metadatasize 64M {GROUP} {FIRST_DISK}
lvcreate --quiet --yes --type thin-pool --extents 75%VG --zero y --name pool {GROUP}
lvchange --quiet --errorwhenfull y {GROUP}/pool
"""


def wait_until_ready(layout: Layout, node: Node) -> None:
    """Wait until the node's present kubelet, not the one before a crash, has said that it is ready."""
    boot = _first_word(layout, node)
    run(node, "sh", "-c", SETTLED)
    wait = ("wait", f"--timeout={PATIENCE}s", f"node/{node.name}")
    for condition in (
        "create",
        f"jsonpath={{.status.nodeInfo.bootID}}={boot}",
        "condition=Ready",
    ):
        kubectl.run(layout, *wait, f"--for={condition}")
    say(f"{node.name} is ready")


def load(layout: Layout, node: Node, archive: Path) -> None:
    """Import an archive of images."""
    if not archive.is_file():
        raise errors.ClusterFailed(f"there is no archive {archive}")
    if not guests.is_running(layout, node):
        raise errors.ClusterFailed(f"{node.name} is not running")
    run(node, "sh", "-c", IMPORT, "import", str(archive.parent), archive.name)
    say(f"{node.name} has {archive.name}")


def prepare(node: Node) -> None:
    """Make the volume group and the thin pool, once."""
    run(node, "sh", "-c", PREPARE)


def question(command: Sequence[str]) -> list[str]:
    """An LVM command about the volume group of a node."""
    return ["lvm", *command, GROUP]


def run(node: Node, *command: str) -> str:
    """Run a command in a node and return its output."""
    output, error = io.BytesIO(), io.BytesIO()
    returned = guests.shell(node, command, output=output, error=error)
    if returned != 0:
        text = error.getvalue().decode(errors="replace").strip()
        raise errors.ClusterFailed(f"{json.dumps(command)} in {node.name}: {text}")
    return output.getvalue().decode()


def _first_word(layout: Layout, node: Node) -> str:
    """What a node answers as soon as it can: the number of its boot."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return run(node, "cat", BOOT).strip()
        except errors.ClusterFailed:
            _refuse_death(layout, node)
            if time.monotonic() > end:
                raise
        time.sleep(PAUSE)


def _refuse_death(layout: Layout, node: Node) -> None:
    if not guests.is_running(layout, node):
        console = layout.logs / f"{node.name}-console.log"
        said = status.why_it_died(console.read_text(errors="replace"))
        raise errors.ClusterFailed(f"{node.name}: {said}")
