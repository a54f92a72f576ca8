"""What CSI marks as alpha, through a real socket."""

from __future__ import annotations

from csi.spec import csi_pb2 as pb
from tests.fakes.bench import (
    NO_TOKEN,
    Bench,
    refused,
)


class TestAlpha:
    def test_get_volume(self, alpha: Bench) -> None:
        call, made = alpha.client.controller.ControllerGetVolume, alpha.create("v")
        answer = call(pb.ControllerGetVolumeRequest(volume_id=made.volume_id))
        assert answer.volume == made
        assert answer.HasField("status")
        with refused("NOT_FOUND", "fake-id"):
            call(pb.ControllerGetVolumeRequest(volume_id="fake-id"))
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            call(pb.ControllerGetVolumeRequest())

    def test_get_snapshot(self, alpha: Bench) -> None:
        call = alpha.client.controller.GetSnapshot
        made = alpha.snapshot("s", alpha.create("v"))
        assert call(pb.GetSnapshotRequest(snapshot_id=made.snapshot_id)).snapshot == made
        with refused("NOT_FOUND", "fake-id"):
            call(pb.GetSnapshotRequest(snapshot_id="fake-id"))
        with refused("INVALID_ARGUMENT", "snapshot_id is missing"):
            call(pb.GetSnapshotRequest())

    def test_health(self, alpha: Bench) -> None:
        controller, moods = alpha.client.controller, alpha.driver().moods
        made = [alpha.create(name).volume_id for name in "vw"]
        request = pb.ControllerGetVolumeHealthRequest(volume_id=made[0])
        assert not controller.ControllerGetVolumeHealth(request).volume_health.health_statuses
        assert not controller.ControllerListVolumeHealth(
            pb.ControllerListVolumeHealthRequest()
        ).entries
        moods.fill = 0.97
        health = controller.ControllerGetVolumeHealth(request).volume_health
        assert [each.reason for each in health.health_statuses] == ["PoolDataNearlyFull"]
        assert health.health_statuses[0].status == pb.DEGRADED
        listed = controller.ControllerListVolumeHealth(
            pb.ControllerListVolumeHealthRequest(max_entries=1)
        )
        assert [each.volume_id for each in listed.entries] == made[:1]
        assert listed.next_token == made[0]
        moods.unhealthy = moods.broken = "a disk is away"
        health = controller.ControllerGetVolumeHealth(request).volume_health
        assert health.health_statuses[0].status == pb.INACCESSIBLE
        assert "a disk is away" in health.health_statuses[0].message

    def test_health_codes(self, alpha: Bench) -> None:
        controller = alpha.client.controller
        with refused("NOT_FOUND", "memory0.volume-9"):
            request = pb.ControllerGetVolumeHealthRequest(volume_id="memory0.volume-9")
            controller.ControllerGetVolumeHealth(request)
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            controller.ControllerGetVolumeHealth(pb.ControllerGetVolumeHealthRequest())
        with refused("ABORTED", "no token"):
            bad = pb.ControllerListVolumeHealthRequest(starting_token=NO_TOKEN)
            controller.ControllerListVolumeHealth(bad)
