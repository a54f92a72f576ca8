"""CSI's GroupController service for all nodes: one moment can only be had of volumes on one of them."""

from __future__ import annotations

from collections.abc import Collection

from csi.controller.convert import require
from csi.controller.group_servicer import capabilities
from csi.router.nodes import Nodes
from csi.spec import csi_pb2 as pb
from drivers.errors import Precondition

SERVICE = "/csi.v1.GroupController/"


class GroupController:
    """The service. Its methods are also given the bytes of the request, and may return bytes."""

    passes = True

    def __init__(self, nodes: Nodes, lost_backends: Collection[str] = (), *, able: bool) -> None:
        """``lost_backends`` are the ids of those that an administrator has given up."""
        self._nodes = nodes
        self._lost = frozenset(lost_backends)
        self._able = able

    def GroupControllerGetCapabilities(
        self, _request: pb.GroupControllerGetCapabilitiesRequest, _raw: bytes
    ) -> pb.GroupControllerGetCapabilitiesResponse:
        return capabilities(able=self._able)

    def CreateVolumeGroupSnapshot(
        self, request: pb.CreateVolumeGroupSnapshotRequest, raw: bytes
    ) -> bytes:
        require(request, "name", "source_volume_ids")
        homes = {each: self._nodes.owner(each) for each in request.source_volume_ids}
        # By name: a node that restarts meanwhile is another link.
        if len({home.name for home in homes.values()}) > 1:
            told = ", ".join(f"{each} on node {home.name}" for each, home in homes.items())
            raise Precondition(f"only volumes of one node can be frozen at one moment: {told}")
        return self._pass("CreateVolumeGroupSnapshot", request.source_volume_ids[0], raw)

    def DeleteVolumeGroupSnapshot(
        self, request: pb.DeleteVolumeGroupSnapshotRequest, raw: bytes
    ) -> bytes | pb.DeleteVolumeGroupSnapshotResponse:
        require(request, "group_snapshot_id")
        if self._nodes.is_gone(request.group_snapshot_id, self._lost):
            return pb.DeleteVolumeGroupSnapshotResponse()
        return self._pass("DeleteVolumeGroupSnapshot", request.group_snapshot_id, raw)

    def GetVolumeGroupSnapshot(
        self, request: pb.GetVolumeGroupSnapshotRequest, raw: bytes
    ) -> bytes:
        require(request, "group_snapshot_id")
        return self._pass("GetVolumeGroupSnapshot", request.group_snapshot_id, raw)

    def _pass(self, method: str, object_id: str, raw: bytes) -> bytes:
        return self._nodes.owner(object_id).peer.forward(SERVICE + method, raw)
