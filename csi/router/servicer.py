"""CSI's Controller service for all nodes: each call is passed on, byte for byte, to the node it is about.

Which capabilities there are does not depend on the nodes: a sidecar asks once, at its start, and that may
be before any node has answered.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from csi.controller import convert
from csi.controller.convert import require
from csi.controller.servicer import RpcType
from csi.router.capacity import Capacities
from csi.router.link import Link
from csi.router.lists import Part, merged
from csi.router.nodes import Nodes
from csi.router.placing import Placing
from csi.spec import csi_pb2 as pb
from drivers.backends import is_id

SERVICE = "/csi.v1.Controller/"


class Controller:
    """The service. Its methods are also given the bytes of the request, and may return bytes."""

    passes = True

    def __init__(
        self,
        nodes: Nodes,
        topology_key: str,
        rpcs: Sequence[RpcType],
        lost_backends: Collection[str] = (),
    ) -> None:
        """``lost_backends`` are the ids of those that an administrator has given up."""
        self._nodes = nodes
        self._placing = Placing(nodes, topology_key)
        self._capacities = Capacities(nodes, topology_key)
        self._rpcs = rpcs
        self._lost = frozenset(lost_backends)

    def ControllerGetCapabilities(
        self, _request: pb.ControllerGetCapabilitiesRequest, _raw: bytes
    ) -> pb.ControllerGetCapabilitiesResponse:
        return convert.capabilities(self._rpcs)

    def CreateVolume(self, request: pb.CreateVolumeRequest, raw: bytes) -> bytes:
        return self._placing.create(request, raw)

    def DeleteVolume(
        self, request: pb.DeleteVolumeRequest, raw: bytes
    ) -> bytes | pb.DeleteVolumeResponse:
        require(request, "volume_id")
        if self._nodes.is_gone(request.volume_id, self._lost):
            return pb.DeleteVolumeResponse()
        return self._pass("DeleteVolume", request.volume_id, raw)

    def ControllerExpandVolume(
        self, request: pb.ControllerExpandVolumeRequest, raw: bytes
    ) -> bytes:
        require(request, "volume_id", "capacity_range")
        return self._pass("ControllerExpandVolume", request.volume_id, raw)

    def ValidateVolumeCapabilities(
        self, request: pb.ValidateVolumeCapabilitiesRequest, raw: bytes
    ) -> bytes:
        require(request, "volume_id", "volume_capabilities")
        return self._pass("ValidateVolumeCapabilities", request.volume_id, raw)

    def GetCapacity(
        self, request: pb.GetCapacityRequest, raw: bytes
    ) -> bytes | pb.GetCapacityResponse:
        return self._capacities.get(request, raw)

    def ListVolumes(self, request: pb.ListVolumesRequest, _raw: bytes) -> pb.ListVolumesResponse:
        links = self._nodes.everywhere()
        part = merged(links, request.max_entries, request.starting_token, _volumes)
        return pb.ListVolumesResponse(entries=part.entries, next_token=part.next)

    def CreateSnapshot(self, request: pb.CreateSnapshotRequest, raw: bytes) -> bytes:
        require(request, "name", "source_volume_id")
        return self._pass("CreateSnapshot", request.source_volume_id, raw)

    def DeleteSnapshot(
        self, request: pb.DeleteSnapshotRequest, raw: bytes
    ) -> bytes | pb.DeleteSnapshotResponse:
        require(request, "snapshot_id")
        if self._nodes.is_gone(request.snapshot_id, self._lost):
            return pb.DeleteSnapshotResponse()
        return self._pass("DeleteSnapshot", request.snapshot_id, raw)

    def ListSnapshots(
        self, request: pb.ListSnapshotsRequest, raw: bytes
    ) -> bytes | pb.ListSnapshotsResponse:
        if about := request.snapshot_id or request.source_volume_id:
            # Of nothing there is nothing to list.
            return self._pass("ListSnapshots", about, raw) if is_id(about) else _no_snapshots()
        links = self._nodes.everywhere()
        part = merged(links, request.max_entries, request.starting_token, _snapshots)
        return pb.ListSnapshotsResponse(entries=part.entries, next_token=part.next)

    def _pass(self, method: str, object_id: str, raw: bytes) -> bytes:
        return self._nodes.owner(object_id).peer.forward(SERVICE + method, raw)


def _volumes(link: Link, most: int, token: str) -> Part[pb.ListVolumesResponse.Entry]:
    request = pb.ListVolumesRequest(max_entries=most, starting_token=token)
    answer = link.peer.forward(f"{SERVICE}ListVolumes", request.SerializeToString())
    response = pb.ListVolumesResponse.FromString(answer)
    return Part(response.entries, response.next_token)


def _snapshots(link: Link, most: int, token: str) -> Part[pb.ListSnapshotsResponse.Entry]:
    request = pb.ListSnapshotsRequest(max_entries=most, starting_token=token)
    answer = link.peer.forward(f"{SERVICE}ListSnapshots", request.SerializeToString())
    response = pb.ListSnapshotsResponse.FromString(answer)
    return Part(response.entries, response.next_token)


def _no_snapshots() -> pb.ListSnapshotsResponse:
    return pb.ListSnapshotsResponse()
