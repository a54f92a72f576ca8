"""Names, ids and paths of every kind: those that must work, and those that must be refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from csi.spec import csi_pb2 as pb
from drivers.model import GIB, MIB
from tests.integration import files
from tests.integration.calls import capability, creation, growth, refusal
from tests.integration.served import Served, lvm

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

UNICODE = [
    "ü" * 64,
    "東京" * 21 + "..",
    "😀" * 32,
    "a/b " * 32,
    "-" * 128,
    "../" * 42 + "..",
    "\t\n\r" * 42,
]


@pytest.mark.parametrize("name", UNICODE, ids=ascii)
def test_a_name_of_any_characters_works_for_volumes_and_snapshots(
    served: Served, name: str
) -> None:
    assert 120 < len(name.encode()) <= 128
    volume = served.create(name, 8 * MIB, layout="thin", fs_type="")
    assert served.create(name, 8 * MIB, layout="thin", fs_type="") == volume
    snapshot = served.snapshot(name, volume.volume_id)
    assert served.snapshot(name, volume.volume_id) == snapshot
    assert len(volume.volume_id.encode()) <= 128
    assert served.volumes() == {volume.volume_id: 8 * MIB}
    assert served.snapshots() == {snapshot.snapshot_id}


def test_names_that_differ_little_are_different_volumes(served: Served) -> None:
    close = ["é", "e\u0301", "E", "e", "e ", " e"]
    made = {served.create(name, 4 * MIB, layout="thin", fs_type="").volume_id for name in close}
    assert len(made) == len(close)


def test_ids_survive_the_renaming_of_everything(served: Served) -> None:
    thin = served.create("thin", 64 * MIB, layout="thin")
    thick = served.create("thick", 64 * MIB, layout="linear")
    files.write(served.publish(thick.volume_id), "first")
    snapshot = served.snapshot("cut", thick.volume_id)
    group = served.group
    for number, name in enumerate(_volumes(group)):
        lvm("lvrename", group, name, f"renamed-{number}")
    assert served.volumes() == {thin.volume_id: 64 * MIB, thick.volume_id: 64 * MIB}
    served.withdraw(thick.volume_id)
    assert served.stop() == 0
    lvm("vgrename", group, "hearth-renamed")
    try:
        served.group = "hearth-renamed"
        served.start()
        assert served.volumes() == {thin.volume_id: 64 * MIB, thick.volume_id: 64 * MIB}
        assert served.create("thin", 64 * MIB, layout="thin") == thin
        assert served.snapshot("cut", thick.volume_id) == snapshot
        assert files.wrong(served.publish(thick.volume_id), ["first"], 64 << 10) == []
        served.grow(thin.volume_id, 96 * MIB)
        served.empty()
        assert _volumes("hearth-renamed") == []
    finally:
        served.stop()
        lvm("vgrename", "hearth-renamed", group)
        served.group = group
        served.start()


STRANGE = ["../../etc", "a/b", "a.b/c", "..", ".", "x" * 128, "id with spaces.x", "-rf.x", "é.é"]


@pytest.mark.parametrize("identifier", STRANGE)
def test_what_is_no_id_is_not_found_and_success_to_delete(served: Served, identifier: str) -> None:
    kept = served.create("kept", 8 * MIB, layout="linear", fs_type="")
    controller = served.client.controller
    expand = refusal(controller.ControllerExpandVolume, growth(identifier, 16 * MIB))
    assert expand[0] == "NOT_FOUND"
    assert refusal(controller.DeleteVolume, pb.DeleteVolumeRequest(volume_id=identifier))[0] == "OK"
    snapshot = pb.DeleteSnapshotRequest(snapshot_id=identifier)
    assert refusal(controller.DeleteSnapshot, snapshot)[0] == "OK"
    staged = pb.NodeStageVolumeRequest(
        volume_id=identifier,
        staging_target_path=str(served.kubelet / "plugins"),
        volume_capability=capability(""),
    )
    assert refusal(served.client.node.NodeStageVolume, staged)[0] == "NOT_FOUND"
    assert served.volumes() == {kept.volume_id: 8 * MIB}


@pytest.mark.parametrize("identifier", ["a\0b", "a\x1b[2J", "a\x7f", "y" * 129])
def test_control_characters_and_endless_ids_are_invalid(served: Served, identifier: str) -> None:
    for call, request in (
        (served.client.controller.DeleteVolume, pb.DeleteVolumeRequest(volume_id=identifier)),
        (served.client.controller.ControllerExpandVolume, growth(identifier, MIB)),
        (
            served.client.controller.CreateVolume,
            creation(identifier, MIB, layout="thin", fs_type=""),
        ),
    ):
        assert refusal(call, request)[0] == "INVALID_ARGUMENT"
    assert served.volumes() == {}


SIZES: dict[str, tuple[int, int, str]] = {
    "negative": (-1, 0, "INVALID_ARGUMENT"),
    "an empty range": (2 * GIB, GIB, "OUT_OF_RANGE"),
    "between two extents": (5 * MIB, 6 * MIB, "OUT_OF_RANGE"),
    "more than there is": (64 * GIB, 0, "RESOURCE_EXHAUSTED"),
    "more than a disk can be": (1 << 62, 0, "RESOURCE_EXHAUSTED"),
    "the largest number": ((1 << 63) - 1, 0, "OUT_OF_RANGE"),
}


@pytest.mark.parametrize("case", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("layout", ["thin", "linear"])
def test_sizes_that_cannot_be(served: Served, layout: str, case: tuple[int, int, str]) -> None:
    required, limit, code = case
    request = creation("huge", required, layout=layout, fs_type="", limit=limit)
    found, message = refusal(served.client.controller.CreateVolume, request)
    assert found == code, message
    volume = served.create("small", 8 * MIB, layout=layout, fs_type="")
    grow = pb.ControllerExpandVolumeRequest(
        volume_id=volume.volume_id,
        capacity_range=pb.CapacityRange(required_bytes=required, limit_bytes=limit),
    )
    assert refusal(served.client.controller.ControllerExpandVolume, grow)[0] == code
    assert served.volumes() == {volume.volume_id: 8 * MIB}


@pytest.mark.parametrize(("fs_type", "least"), [("xfs", 300), ("btrfs", 109)])
def test_a_volume_too_small_for_its_filesystem(served: Served, fs_type: str, least: int) -> None:
    request = creation("tiny", least * MIB - 8 * MIB, layout="thin", fs_type=fs_type)
    code, message = refusal(served.client.controller.CreateVolume, request)
    assert code == "OUT_OF_RANGE"
    assert str(least * MIB) in message
    assert served.create("least", least * MIB, layout="thin", fs_type=fs_type).volume_id


def test_the_largest_volume_can_be_had_and_one_extent_more_cannot(served: Served) -> None:
    create = served.client.controller.CreateVolume
    for layout in ("linear", "thin"):
        largest = served.room(layout).maximum_volume_size.value
        over = creation("over", largest + 4 * MIB, layout=layout, fs_type="")
        assert refusal(create, over)[0] == "RESOURCE_EXHAUSTED"
        served.create("exact", largest, layout=layout, fs_type="")
        assert served.room(layout).available_capacity == 0
        more = creation("more", 4 * MIB, layout=layout, fs_type="")
        assert refusal(create, more)[0] == "RESOURCE_EXHAUSTED"
        served.empty()
        assert served.room(layout).maximum_volume_size.value == largest


def _outside(_served: Served, outside: Path) -> Path:
    return outside / "target"


def _above(served: Served, _outside: Path) -> Path:
    return served.kubelet / "pods/../../target"


def _linked(served: Served, outside: Path) -> Path:
    link = served.kubelet / "link"
    link.unlink(missing_ok=True)
    link.symlink_to(outside)
    return link / "target"


@pytest.mark.parametrize("path", [_outside, _above, _linked])
def test_paths_that_lead_out_of_the_kubelets_directory(
    served: Served, tmp_path: Path, path: Callable[[Served, Path], Path]
) -> None:
    volume = served.create("data", 16 * MIB, layout="thin")
    served.stage(volume.volume_id)
    target = path(served, tmp_path)
    publish = pb.NodePublishVolumeRequest(
        volume_id=volume.volume_id,
        staging_target_path=str(served.staging(volume.volume_id)),
        target_path=str(target),
        volume_capability=capability("ext4"),
    )
    assert refusal(served.client.node.NodePublishVolume, publish)[0] == "INVALID_ARGUMENT"
    stage = pb.NodeStageVolumeRequest(
        volume_id=volume.volume_id,
        staging_target_path=str(target),
        volume_capability=capability("ext4"),
    )
    assert refusal(served.client.node.NodeStageVolume, stage)[0] == "INVALID_ARGUMENT"
    assert list(tmp_path.iterdir()) == []
    assert not Path("/proc/self/mounts").read_text().count(str(tmp_path))


def _volumes(group: str) -> list[str]:
    listed = lvm("lvs", "--noheadings", "--options", "lv_name", group).split()
    return [name for name in listed if name != "pool"]
