"""The life of volumes through the socket on real LVM, bytes compared at every step."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from csi.spec import csi_pb2 as pb
from drivers.model import KIB, MIB
from tests.integration import files
from tests.integration.calls import growth, refusal
from tests.integration.served import Served

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

SIZE = {"ext4": 64 * MIB, "xfs": 320 * MIB, "btrfs": 256 * MIB}
LAYOUTS = ["thin", "linear"]
DATA = 2 * MIB


@dataclass(frozen=True)
class Pod:
    """A volume that is published, and where."""

    id: str
    path: Path


def run(
    served: Served,
    name: str,
    size: int,
    layout: str,
    fs_type: str,
    *,
    snapshot: str = "",
    volume: str = "",
) -> Pod:
    """Make a volume and publish it."""
    made = served.create(
        name, size, layout=layout, fs_type=fs_type, snapshot=snapshot, volume=volume
    )
    assert made.capacity_bytes == size
    return Pod(made.volume_id, served.publish(made.volume_id, fs_type))


def holds(pod: Pod, *names: str) -> bool:
    """Whether exactly these files are there, with their bytes."""
    there = {each.name for each in pod.path.iterdir()} - {"lost+found"}
    return there == set(names) and files.wrong(pod.path, list(names), DATA) == []


@pytest.mark.parametrize("fs_type", SIZE)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_filesystem_keeps_its_bytes_through_everything(
    served: Served, layout: str, fs_type: str
) -> None:
    size = SIZE[fs_type]
    volume = run(served, "data", size, layout, fs_type)
    files.write(volume.path, "first", DATA)
    snapshot = served.snapshot("cut", volume.id)
    files.write(volume.path, "second", DATA)
    restored = run(served, "back", 2 * size, layout, fs_type, snapshot=snapshot.snapshot_id)
    assert holds(restored, "first")
    assert files.room(restored.path) > 1.5 * files.room(volume.path)
    clone = run(served, "copy", size, layout, fs_type, volume=volume.id)
    assert holds(clone, "first", "second")
    files.write(clone.path, "third", DATA)
    assert holds(volume, "first", "second")
    served.delete_snapshot(snapshot.snapshot_id)
    before = files.room(volume.path)
    assert served.grow(volume.id, size + 64 * MIB) == size + 64 * MIB
    assert served.grow_on_node(volume.id, size + 64 * MIB) == size + 64 * MIB
    assert files.room(volume.path) > before + 48 * MIB
    for pod in (volume, restored, clone):
        served.withdraw(pod.id)
    assert holds(Pod(volume.id, served.publish(volume.id, fs_type)), "first", "second")
    assert holds(Pod(restored.id, served.publish(restored.id, fs_type)), "first")
    assert holds(Pod(clone.id, served.publish(clone.id, fs_type)), "first", "second", "third")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_device_keeps_its_bytes_and_a_larger_copy_ends_in_zeros(
    served: Served, layout: str
) -> None:
    volume = run(served, "raw", 16 * MIB, layout, "")
    data = files.content("raw", 16 * MIB)
    _write_device(volume.path, data)
    snapshot = served.snapshot("cut", volume.id)
    _write_device(volume.path, data[::-1])
    restored = run(served, "back", 24 * MIB, layout, "", snapshot=snapshot.snapshot_id)
    clone = run(served, "copy", 24 * MIB, layout, "", volume=volume.id)
    assert restored.path.read_bytes() == data + bytes(8 * MIB)
    assert clone.path.read_bytes() == data[::-1] + bytes(8 * MIB)
    assert served.grow(clone.id, 32 * MIB) == 32 * MIB
    assert served.grow_on_node(clone.id, 32 * MIB) == 32 * MIB
    assert clone.path.read_bytes() == data[::-1] + bytes(16 * MIB)


def _write_device(path: Path, data: bytes) -> None:
    with path.open("r+b") as device:
        device.write(data)
        device.flush()
        os.fsync(device.fileno())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("fs_type", SIZE)
def test_what_was_acknowledged_before_is_in_the_snapshot_and_in_the_clone(
    served: Served, layout: str, fs_type: str
) -> None:
    """A writer with fsync runs all the time, also while the volume grows."""
    size = SIZE[fs_type]
    volume = run(served, "data", size, layout, fs_type)
    with files.writing(volume.path) as writer:
        time.sleep(0.5)
        served.grow(volume.id, size + 64 * MIB)
        served.grow_on_node(volume.id, size + 64 * MIB)
        cut = time.monotonic()
        snapshot = served.snapshot("cut", volume.id)
        cloned = time.monotonic()
        clone = served.create(
            "copy", size + 64 * MIB, layout=layout, fs_type=fs_type, volume=volume.id
        )
        restored = run(
            served, "back", size + 64 * MIB, layout, fs_type, snapshot=snapshot.snapshot_id
        )
    copied = served.publish(clone.volume_id, fs_type)
    first, second = writer.before(cut), writer.before(cloned)
    assert len(first) > 2
    assert len(second) > len(first)
    assert files.wrong(restored.path, first) == []
    assert files.wrong(copied, second) == []
    assert files.wrong(volume.path, [name for name, _ in writer.acknowledged]) == []


def test_a_thick_volume_with_snapshots_grows_only_while_nobody_uses_it(served: Served) -> None:
    volume = run(served, "data", 64 * MIB, "linear", "ext4")
    files.write(volume.path, "first", DATA)
    snapshots = {served.snapshot(name, volume.id).snapshot_id for name in ("one", "two")}
    expand = served.client.controller.ControllerExpandVolume
    code, message = refusal(expand, growth(volume.id, 128 * MIB))
    assert code == "FAILED_PRECONDITION"
    assert all(each in message for each in snapshots)
    assert served.volumes() == {volume.id: 64 * MIB}
    served.withdraw(volume.id)
    assert served.grow(volume.id, 128 * MIB) == 128 * MIB
    again = Pod(volume.id, served.publish(volume.id))
    assert holds(again, "first")
    assert files.room(again.path) > 96 * MIB
    files.write(again.path, "filler", 48 * MIB)  # all of it goes through the snapshots' areas
    for number, snapshot in enumerate(sorted(snapshots)):
        back = run(served, f"back{number}", 128 * MIB, "linear", "ext4", snapshot=snapshot)
        assert holds(back, "first")


def test_statistics_are_those_of_what_is_published(served: Served) -> None:
    volume = run(served, "data", 64 * MIB, "thin", "ext4")
    request = pb.NodeGetVolumeStatsRequest(volume_id=volume.id, volume_path=str(volume.path))
    before = served.client.node.NodeGetVolumeStats(request, timeout=10).usage
    files.write(volume.path, "first", DATA)
    after = served.client.node.NodeGetVolumeStats(request, timeout=10).usage
    bytes_of = pb.VolumeUsage.BYTES
    used = [next(each.used for each in use if each.unit == bytes_of) for use in (before, after)]
    assert used[1] - used[0] >= DATA
    assert used[1] - used[0] < DATA + 64 * KIB
