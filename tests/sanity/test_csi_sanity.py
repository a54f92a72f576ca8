"""csi-sanity passes on LVM thin, on LVM thick, on loop and through a router.

What it skips is what is absent on purpose.

Nothing is faked: the binary that `make sanity` builds calls the process that `hearth all` is, over its
socket, and that makes volumes on a disk.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from drivers.model import MIB
from tests.sanity.absent import capabilities
from tests.sanity.plugin import Serving, routed, serving
from tests.sanity.storage import STORAGES, Storage

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "build/sanity"
CONFIDENTIAL = "a-secret-of-csi-sanity"
CALLS_WITH_SECRETS = (
    "CreateVolume",
    "DeleteVolume",
    "ControllerValidateVolumeCapabilities",
    "ControllerExpandVolume",
    "CreateSnapshot",
    "DeleteSnapshot",
    "ListSnapshots",
    "GetSnapshot",
    "NodeStageVolume",
    "NodePublishVolume",
)
# Of csi-sanity itself: a spec that its authors have set aside.
PENDING = "pagination should detect volumes added between pages"


@pytest.mark.parametrize("alpha", [False, True], ids=["plain", "alpha"])
@pytest.mark.parametrize("name", STORAGES)
def test_csi_sanity(name: str, alpha: bool, tmp_path: Path) -> None:
    disk = os.environ["HEARTH_LAB_DISKS"].split()[0]
    report = REPORTS / f"{name}{'-alpha' if alpha else ''}.xml"
    options = ["--log-level", "DEBUG", *(["--alpha"] if alpha else [])]
    with STORAGES[name](disk, tmp_path) as storage:
        with serving(tmp_path, storage.backend, *options) as served:
            ended = csi_sanity(served, storage, report, tmp_path)
        shutil.copy(served.log, report.with_suffix(".log"))
        assert ended.returncode == 0, ended.stdout[-20_000:]
    assert CONFIDENTIAL not in served.log.read_text()
    check(report, alpha=alpha, groups=name != "loop")


def test_csi_sanity_plain_through_a_router(tmp_path: Path) -> None:
    """What holds for one process holds for a node and a controller, with nothing in between changed."""
    disk = os.environ["HEARTH_LAB_DISKS"].split()[0]
    report = REPORTS / "thin-routed.xml"
    with STORAGES["thin"](disk, tmp_path) as storage:
        with routed(tmp_path, storage.backend, "--log-level", "DEBUG") as served:
            ended = csi_sanity(served, storage, report, tmp_path)
        shutil.copy(tmp_path / "controller.log", report.with_suffix(".log"))
        assert ended.returncode == 0, ended.stdout[-20_000:]
    assert CONFIDENTIAL not in served.log.read_text() + report.with_suffix(".log").read_text()
    check(report, alpha=False, groups=True)


def csi_sanity(
    served: Serving, storage: Storage, report: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    report.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(binary()),
        f"--csi.endpoint={served.endpoint}",
        f"--csi.controllerendpoint={served.controller}",
        f"--csi.mountdir={served.kubelet}/mount",
        f"--csi.stagingdir={served.kubelet}/staging",
        # Multiples of every layout's extents: csi-sanity wants exactly these sizes.
        f"--csi.testvolumesize={64 * MIB}",
        f"--csi.testvolumeexpandsize={128 * MIB}",
        f"--csi.testvolumeparameters={parameters(storage, folder)}",
        f"--csi.secrets={secrets(folder)}",
        f"--ginkgo.junit-report={report}",
        "--ginkgo.no-color",
    ]
    return subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def binary() -> Path:
    version = next(
        line.partition("=")[2]
        for line in (ROOT / "versions.env").read_text().splitlines()
        if line.startswith("CSI_SANITY_VERSION=")
    )
    return ROOT / f"build/tools/csi-sanity-{version}"


def parameters(storage: Storage, folder: Path) -> Path:
    file = folder / "parameters.yaml"
    layout = f"hearth-csi.io/layout: {storage.layout}\n" if storage.layout else ""
    file.write_text(f"hearth-csi.io/backend: b\n{layout}")
    return file


def secrets(folder: Path) -> Path:
    file = folder / "secrets.yaml"
    entries = [f"{call}Secret:\n  key: {CONFIDENTIAL}\n" for call in CALLS_WITH_SECRETS]
    file.write_text("".join(entries))
    return file


def check(report: Path, *, alpha: bool, groups: bool) -> None:
    """Everything ran; every skip is one that is expected, and every one expected is there."""
    # Written by csi-sanity a moment ago: not hostile.
    cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314
    assert len(cases) >= 95
    assert {case.get("status") for case in cases} <= {"passed", "skipped", "pending"}
    pending = [str(case.get("name")) for case in cases if case.get("status") == "pending"]
    assert [name for name in pending if PENDING not in name] == []
    skipped, absent = reasons(cases), capabilities(alpha=alpha, groups=groups)
    assert skipped <= frozenset().union(*absent.values())
    unexplained = [name for name, words in absent.items() if not words & skipped]
    assert unexplained == [], "no spec is skipped for these any more: take them out of absent.py"


def reasons(cases: Sequence[ET.Element]) -> set[str]:
    return {
        str(mark.get("message")).removeprefix("skipped - ")
        for case in cases
        if case.get("status") == "skipped"
        for mark in case.iter("skipped")
    }
