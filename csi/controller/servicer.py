"""CSI's Controller service on the backends of this node: convert, call, convert.

Each handler is one call of the provisioner, the inventory or the capacities; whatever they raise gets
its status code in `csi.rpc`. What is marked alpha in the protocol is served only where the server is
told so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from csi.controller import convert
from csi.controller.capacity import NONE, Capacities
from csi.controller.convert import Place, require
from csi.controller.inventory import Inventory
from csi.controller.provisioner import Provisioner
from csi.spec import csi_pb2 as pb
from drivers.interface import CloneDriver, SnapshotDriver, VolumeDriver, abilities
from drivers.model import VolumeMode

Rpc = pb.ControllerServiceCapability.RPC
RpcType: TypeAlias = pb.ControllerServiceCapability.RPC.Type.ValueType

# What each interface of a driver lets the plugin announce.
ANNOUNCED: Mapping[type, Sequence[RpcType]] = MappingProxyType(
    {
        VolumeDriver: (
            Rpc.CREATE_DELETE_VOLUME,
            Rpc.LIST_VOLUMES,
            Rpc.GET_CAPACITY,
            Rpc.EXPAND_VOLUME,
            # Marked alpha, but Kubernetes' ReadWriteOncePod has been built on it for long.
            Rpc.SINGLE_NODE_MULTI_WRITER,
        ),
        SnapshotDriver: (Rpc.CREATE_DELETE_SNAPSHOT, Rpc.LIST_SNAPSHOTS),
        CloneDriver: (Rpc.CLONE_VOLUME,),
    }
)
ALPHA: Mapping[type, Sequence[RpcType]] = MappingProxyType(
    {
        VolumeDriver: (Rpc.GET_VOLUME, Rpc.GET_VOLUME_HEALTH, Rpc.LIST_VOLUME_HEALTH),
        SnapshotDriver: (Rpc.GET_SNAPSHOT,),
    }
)


def announced(drivers: Iterable[type[VolumeDriver]], *, alpha: bool) -> Sequence[RpcType]:
    """The RPCs that at least one of ``drivers`` can serve.

    It depends on what is installed and not on what is configured or well: sidecars ask once, at start.
    """
    able = {ability for driver in drivers for ability in abilities(driver)}
    tables = (ANNOUNCED, ALPHA) if alpha else (ANNOUNCED,)
    return sorted(rpc for table in tables for each in table if each in able for rpc in table[each])


class Controller:
    """The service; one method for each RPC that local storage has a meaning for."""

    def __init__(
        self,
        provisioner: Provisioner,
        inventory: Inventory,
        capacities: Capacities,
        place: Place,
        rpcs: Sequence[RpcType],
    ) -> None:
        self._provisioner = provisioner
        self._inventory = inventory
        self._capacities = capacities
        self._place = place
        self._rpcs = rpcs

    def ControllerGetCapabilities(
        self, _request: pb.ControllerGetCapabilitiesRequest
    ) -> pb.ControllerGetCapabilitiesResponse:
        return convert.capabilities(self._rpcs)

    def CreateVolume(self, request: pb.CreateVolumeRequest) -> pb.CreateVolumeResponse:
        volume = self._provisioner.create(convert.volume_request(request, self._place))
        return pb.CreateVolumeResponse(volume=convert.volume(volume, self._place))

    def DeleteVolume(self, request: pb.DeleteVolumeRequest) -> pb.DeleteVolumeResponse:
        require(request, "volume_id")
        self._provisioner.delete(request.volume_id)
        return pb.DeleteVolumeResponse()

    def ControllerExpandVolume(
        self, request: pb.ControllerExpandVolumeRequest
    ) -> pb.ControllerExpandVolumeResponse:
        size, mode = convert.growth(request), convert.expanded_mode(request)
        volume = self._provisioner.expand(request.volume_id, size, mode)
        return pb.ControllerExpandVolumeResponse(
            capacity_bytes=volume.size,
            node_expansion_required=volume.properties.mode is VolumeMode.FILESYSTEM,
        )

    def ValidateVolumeCapabilities(
        self, request: pb.ValidateVolumeCapabilitiesRequest
    ) -> pb.ValidateVolumeCapabilitiesResponse:
        require(request, "volume_id", "volume_capabilities")
        accesses = convert.accesses(request.volume_capabilities)
        message = self._inventory.refusal(request.volume_id, accesses, request.parameters)
        return convert.validated(request, message)

    def GetCapacity(self, request: pb.GetCapacityRequest) -> pb.GetCapacityResponse:
        room = NONE
        if self._place.lies_in(request.accessible_topology):
            accesses = convert.accesses(request.volume_capabilities)
            room = self._capacities.room(accesses, request.parameters)
        return convert.room(room, alpha=Rpc.GET_VOLUME in self._rpcs)

    def ListVolumes(self, request: pb.ListVolumesRequest) -> pb.ListVolumesResponse:
        page = self._inventory.volumes(convert.where(request))
        return convert.volumes(page, self._place)

    def ControllerGetVolume(
        self, request: pb.ControllerGetVolumeRequest
    ) -> pb.ControllerGetVolumeResponse:
        require(request, "volume_id")
        volume = self._inventory.volume(request.volume_id)
        return pb.ControllerGetVolumeResponse(
            volume=convert.volume(volume, self._place),
            status=pb.ControllerGetVolumeResponse.VolumeStatus(),
        )

    def CreateSnapshot(self, request: pb.CreateSnapshotRequest) -> pb.CreateSnapshotResponse:
        require(request, "name", "source_volume_id")
        snapshot = self._provisioner.snapshot(
            request.name, request.source_volume_id, request.parameters
        )
        return pb.CreateSnapshotResponse(snapshot=convert.snapshot(snapshot))

    def DeleteSnapshot(self, request: pb.DeleteSnapshotRequest) -> pb.DeleteSnapshotResponse:
        require(request, "snapshot_id")
        self._provisioner.delete_snapshot(request.snapshot_id)
        return pb.DeleteSnapshotResponse()

    def ListSnapshots(self, request: pb.ListSnapshotsRequest) -> pb.ListSnapshotsResponse:
        page = self._inventory.snapshots(
            convert.where(request), of=request.source_volume_id, only=request.snapshot_id
        )
        return convert.snapshots(page)

    def GetSnapshot(self, request: pb.GetSnapshotRequest) -> pb.GetSnapshotResponse:
        require(request, "snapshot_id")
        snapshot = self._inventory.snapshot(request.snapshot_id)
        return pb.GetSnapshotResponse(snapshot=convert.snapshot(snapshot))

    def ControllerGetVolumeHealth(
        self, request: pb.ControllerGetVolumeHealthRequest
    ) -> pb.ControllerGetVolumeHealthResponse:
        require(request, "volume_id")
        health = self._inventory.health(request.volume_id)
        return pb.ControllerGetVolumeHealthResponse(volume_health=convert.health(health))

    def ControllerListVolumeHealth(
        self, request: pb.ControllerListVolumeHealthRequest
    ) -> pb.ControllerListVolumeHealthResponse:
        page = self._inventory.ailing(convert.where(request))
        return pb.ControllerListVolumeHealthResponse(
            entries=[convert.health(each) for each in page.items], next_token=page.next
        )
