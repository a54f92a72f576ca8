"""What the demo makes on the machine, and takes away again: volume groups, a folder, a process's parts."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from csi import settings
from csi.app import node as app
from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from drivers.interface import load_drivers
from tools.demo.narrator import Narrator

FOLDER = Path("/run/hearth-demo")
SOCKET = FOLDER / "csi.sock"
METRICS = "127.0.0.1:9809"
CONFIG = Path(__file__).resolve().parents[2] / "examples/demo/node.yaml"
THIN, THICK = "hearth-demo-thin", "hearth-demo-thick"
POOL = "pool0"


@contextmanager
def volume_groups(disks: Sequence[str], narrator: Narrator) -> Iterator[None]:
    """Two volume groups on two empty disks, removed at the end, however it ends."""
    try:
        with narrator.step("prepare", f"volume group {THIN} with a thin pool on {disks[0]}"):
            _hearth("backend", "create", THIN, disks[0], "--thin-pool", POOL)
        with narrator.step("prepare", f"volume group {THICK} on {disks[1]}"):
            _hearth("backend", "create", THICK, disks[1])
        yield
    finally:
        for group, disk in ((THIN, disks[0]), (THICK, disks[1])):
            _quietly("lvm", "vgremove", "--yes", "--force", "--", group)
            _quietly("lvm", "pvremove", "--yes", "--", disk)


@contextmanager
def serving() -> Iterator[app.NodeApp]:
    """The parts of `hearth all`, serving on `SOCKET` and `METRICS` from this very process."""
    (FOLDER / "kubelet").mkdir(parents=True)
    drivers = load_drivers()
    node = settings.read(CONFIG, drivers)
    served = app.build(node, drivers, app.Serving(f"unix://{SOCKET}", METRICS))
    try:
        served.start()
        try:
            for backend in served.backends:
                backend.set_up().wait()
            yield served
        finally:
            served.stop()
    finally:
        shutil.rmtree(FOLDER / "kubelet")
        shutil.rmtree(FOLDER)


@contextmanager
def calling(narrator: Narrator) -> Iterator[Client]:
    """A client of the server, which says that it is ready."""
    with Client(f"unix://{SOCKET}") as client:
        probed = client.identity.Probe(pb.ProbeRequest(), timeout=30)
        narrator.same("the plugin is ready", probed.ready.value, True)
        yield client


def left_behind() -> list[str]:
    """What the volumes have left: logical volumes but the pool, mounts, files of kubelet."""
    lvs = ["lvm", "lvs", "--noheadings", "--options", "lv_full_name", "--", THIN, THICK]
    listed = subprocess.run(lvs, check=True, capture_output=True, text=True).stdout.split()
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    files = [path for path in (FOLDER / "kubelet").rglob("*") if not path.is_dir()]
    return [
        *(name for name in listed if name != f"{THIN}/{POOL}"),
        *(line for line in mounts if str(FOLDER) in line),
        *map(str, files),
    ]


def signatures(disks: Sequence[str]) -> list[str]:
    """What the disks still hold of LVM or a filesystem."""
    wipefs = ["wipefs", "--no-act", "--noheadings", "--output", "DEVICE,TYPE", "--", *disks]
    return subprocess.run(wipefs, check=True, capture_output=True, text=True).stdout.splitlines()


def _hearth(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "csi", *arguments], check=True, stdout=subprocess.DEVNULL)


def _quietly(*command: str) -> None:
    subprocess.run(command, check=False, capture_output=True)
