"""A volume group that has lost a disk: clear refusals, nothing changed, and all well when it is back."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from csi.spec import csi_pb2 as pb
from drivers.model import MIB
from tests.integration import files
from tests.integration.calls import capability, creation, growth, refusal
from tests.integration.served import Served, lvm

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

GROUP = "hearth-halves"
LIST = pb.ListVolumesRequest()


@dataclass
class Disk:
    """A disk that can be pulled out: a loop device."""

    file: Path
    device: str = ""

    def plug(self) -> None:
        """Make it appear, at the same place each time."""
        where = [self.device] if self.device else ["--find", "--show"]
        self.device = _losetup(*where, str(self.file)) or self.device

    def pull(self) -> None:
        """Make it vanish."""
        _losetup("--detach", self.device)


def _losetup(*arguments: str) -> str:
    done = subprocess.run(["losetup", *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[list[Disk]]:
    found = [Disk(tmp_path / "first"), Disk(tmp_path / "second")]
    for disk in found:
        disk.file.touch()
        os.truncate(disk.file, 192 * MIB)
        disk.plug()
    devices = [disk.device for disk in found]
    lvm("vgcreate", "--yes", "--metadatasize", "4m", GROUP, *devices)
    try:
        yield found
    finally:
        lvm("vgremove", "--yes", "-ff", GROUP)
        lvm("pvremove", "--yes", "-ff", *devices)
        for disk in found:
            disk.pull()


@pytest.fixture
def halves(disks: list[Disk], tmp_path: Path) -> Iterator[Served]:
    assert len(disks) == 2
    served = Served(tmp_path, GROUP, http="127.0.0.1:9811")
    served.start()
    yield served
    served.empty()
    assert served.stop() == 0


@pytest.mark.parametrize("restarted", [False, True], ids=["while it serves", "before it starts"])
def test_a_missing_disk(halves: Served, disks: list[Disk], restarted: bool) -> None:
    volume = halves.create("data", 256 * MIB)  # larger than one of the disks
    path = halves.publish(volume.volume_id)
    files.write(path, "first")
    halves.withdraw(volume.volume_id)
    before = _metadata()
    disks[1].pull()
    if restarted:
        assert halves.stop() == 0
        halves.start()
    told = _refusals(halves, volume.volume_id)
    assert {code for code, _ in told.values()} == {"UNAVAILABLE"}, told
    assert [each for each in told.items() if not _is_clear(each[1][1], disks[1])] == []
    assert halves.room().available_capacity == 0
    assert halves.metric("hearth_backend_healthy") == 0
    _until(halves, lambda: halves.metric("hearth_backend_missing_disks") == 1)
    disks[1].plug()
    assert _metadata() == before
    _until_well(halves)
    assert halves.volumes() == {volume.volume_id: 256 * MIB}
    assert files.wrong(halves.publish(volume.volume_id), ["first"], 64 << 10) == []


def _refusals(served: Served, volume_id: str) -> dict[str, tuple[str, str]]:
    controller = served.client.controller
    stage = pb.NodeStageVolumeRequest(
        volume_id=volume_id,
        staging_target_path=str(served.staging(volume_id)),
        volume_capability=capability("ext4"),
    )
    snapshot = pb.CreateSnapshotRequest(name="cut", source_volume_id=volume_id)
    create = creation("more", 8 * MIB, layout="linear", fs_type="")
    return {
        "create": refusal(controller.CreateVolume, create),
        "again": refusal(controller.CreateVolume, creation("data", 256 * MIB, layout="linear")),
        "delete": refusal(controller.DeleteVolume, pb.DeleteVolumeRequest(volume_id=volume_id)),
        "grow": refusal(controller.ControllerExpandVolume, growth(volume_id, 300 * MIB)),
        "snapshot": refusal(controller.CreateSnapshot, snapshot),
        "list": refusal(controller.ListVolumes, pb.ListVolumesRequest()),
        "stage": refusal(served.client.node.NodeStageVolume, stage),
    }


def _is_clear(message: str, disk: Disk) -> bool:
    """It names the group and that a disk is missing, or the disk that cannot be read."""
    return (GROUP in message and "disks" in message) or disk.device in message


def _metadata() -> str:
    return lvm("vgs", "--noheadings", "--options", "vg_seqno,lv_count,vg_uuid", GROUP)


def _until_well(served: Served) -> None:
    _until(served, lambda: refusal(served.client.controller.ListVolumes, LIST)[0] == "OK")


def _until(served: Served, is_so: Callable[[], bool]) -> None:
    """Asking is what sets another set-up off."""
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end, served.log.read_text()[-4000:]
        refusal(served.client.controller.ListVolumes, LIST)
        time.sleep(0.5)
