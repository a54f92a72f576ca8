"""CSI's GroupController service on the backends of this node: convert, call, convert."""

from __future__ import annotations

from collections.abc import Iterable

from csi.controller import convert
from csi.controller.convert import require
from csi.controller.groups import Groups
from csi.spec import csi_pb2 as pb
from drivers.interface import GroupDriver, VolumeDriver, abilities

Rpc = pb.GroupControllerServiceCapability.RPC


def announces(drivers: Iterable[type[VolumeDriver]]) -> bool:
    """Whether any of ``drivers`` can serve it."""
    return any(GroupDriver in abilities(driver) for driver in drivers)


def capabilities(*, able: bool) -> pb.GroupControllerGetCapabilitiesResponse:
    """The announcement of the RPCs, all together or none."""
    rpc = Rpc(type=Rpc.CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT)
    found = [pb.GroupControllerServiceCapability(rpc=rpc)] if able else []
    return pb.GroupControllerGetCapabilitiesResponse(capabilities=found)


class GroupController:
    """The service."""

    def __init__(self, groups: Groups, *, able: bool) -> None:
        """``able``: whether it is announced."""
        self._groups = groups
        self._able = able

    def GroupControllerGetCapabilities(
        self, _request: pb.GroupControllerGetCapabilitiesRequest
    ) -> pb.GroupControllerGetCapabilitiesResponse:
        return capabilities(able=self._able)

    def CreateVolumeGroupSnapshot(
        self, request: pb.CreateVolumeGroupSnapshotRequest
    ) -> pb.CreateVolumeGroupSnapshotResponse:
        require(request, "name", "source_volume_ids")
        made = self._groups.cut(request.name, request.source_volume_ids, request.parameters)
        return pb.CreateVolumeGroupSnapshotResponse(group_snapshot=convert.group_snapshot(made))

    def DeleteVolumeGroupSnapshot(
        self, request: pb.DeleteVolumeGroupSnapshotRequest
    ) -> pb.DeleteVolumeGroupSnapshotResponse:
        require(request, "group_snapshot_id")
        self._groups.delete_snapshot(request.group_snapshot_id, request.snapshot_ids)
        return pb.DeleteVolumeGroupSnapshotResponse()

    def GetVolumeGroupSnapshot(
        self, request: pb.GetVolumeGroupSnapshotRequest
    ) -> pb.GetVolumeGroupSnapshotResponse:
        require(request, "group_snapshot_id")
        found = self._groups.snapshot(request.group_snapshot_id, request.snapshot_ids)
        return pb.GetVolumeGroupSnapshotResponse(group_snapshot=convert.group_snapshot(found))
