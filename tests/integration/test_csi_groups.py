"""Several volumes with filesystems, frozen at one moment through the socket, on real LVM."""

from __future__ import annotations

import pytest

from csi.spec import csi_pb2 as pb
from tests.integration import files
from tests.integration.calls import again, refusal
from tests.integration.served import Served
from tests.integration.test_csi_lvm import DATA, SIZE, holds, run

KINDS = ("ext4", "btrfs")
"""One that is frozen and one that is not; xfs as well would be more than the pool may promise."""
pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def cut(served: Served, *volume_ids: str) -> pb.VolumeGroupSnapshot:
    request = pb.CreateVolumeGroupSnapshotRequest(name="moment", source_volume_ids=volume_ids)
    made: pb.VolumeGroupSnapshot = again(
        served.client.group_controller.CreateVolumeGroupSnapshot, request
    ).group_snapshot
    return made


def test_published_filesystems_are_frozen_together_and_restored_larger(served: Served) -> None:
    pods = {kind: run(served, kind, SIZE[kind], "thin", kind) for kind in KINDS}
    for pod in pods.values():
        files.write(pod.path, "first", DATA)
    made = cut(served, *(pod.id for pod in pods.values()))
    for pod in pods.values():
        files.write(pod.path, "second", DATA)
    served.restart()
    assert cut(served, *(pod.id for pod in pods.values())) == made
    members = {each.source_volume_id: each.snapshot_id for each in made.snapshots}
    for kind, pod in pods.items():
        name, size = f"back {kind}", 2 * SIZE[kind]
        restored = run(served, name, size, "thin", kind, snapshot=members[pod.id])
        assert holds(restored, "first")
        assert holds(pod, "first", "second")
        request = pb.DeleteSnapshotRequest(snapshot_id=members[pod.id])
        assert refusal(served.client.controller.DeleteSnapshot, request)[0] == "INVALID_ARGUMENT"
    request = pb.DeleteVolumeGroupSnapshotRequest(
        group_snapshot_id=made.group_snapshot_id, snapshot_ids=list(members.values())
    )
    again(served.client.group_controller.DeleteVolumeGroupSnapshot, request)
    assert not served.client.controller.ListSnapshots(pb.ListSnapshotsRequest()).entries


def test_a_thick_volume_is_refused_by_its_id(served: Served) -> None:
    thin = served.create("thin", 8 << 20, layout="thin", fs_type="")
    thick = served.create("thick", 8 << 20, layout="linear", fs_type="")
    request = pb.CreateVolumeGroupSnapshotRequest(
        name="moment", source_volume_ids=[thin.volume_id, thick.volume_id]
    )
    call = served.client.group_controller.CreateVolumeGroupSnapshot
    code, words = refusal(call, request)
    assert code == "FAILED_PRECONDITION"
    assert thick.volume_id in words
    assert not served.client.controller.ListSnapshots(pb.ListSnapshotsRequest()).entries
