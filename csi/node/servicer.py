"""CSI's Node service: convert, call, convert. There are no rules here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from csi.node import convert
from csi.node.connections import Connections
from csi.node.convert import require
from csi.node.health import Health
from csi.node.mounts import Mounts
from csi.node.publisher import Publisher
from csi.node.staging import Staging
from csi.node.usage import Usage
from csi.spec import csi_pb2 as pb
from drivers.backends import Backends
from drivers.exec import Run
from drivers.locks import Locks
from drivers.model import VolumeId

Rpc = pb.NodeServiceCapability.RPC

ALWAYS = (
    Rpc.STAGE_UNSTAGE_VOLUME,
    Rpc.GET_VOLUME_STATS,
    Rpc.EXPAND_VOLUME,
    # Marked alpha, but Kubernetes' ReadWriteOncePod has been built on it for long.
    Rpc.SINGLE_NODE_MULTI_WRITER,
)
ALPHA = (Rpc.GET_VOLUME_HEALTH, Rpc.GET_STORAGE_HEALTH)


@dataclass(frozen=True, slots=True)
class Here:
    """Who this node is, and its one topology segment."""

    node: str
    topology: Mapping[str, str]
    alpha: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What the service calls."""

    staging: Staging
    publisher: Publisher
    usage: Usage
    health: Health


def rules(backends: Backends, locks: Locks, mounts: Mounts, run: Run) -> Rules:
    """The rules of this node, wired."""
    connections = Connections(backends, mounts)
    staging = Staging(backends, connections, locks, mounts, run)
    return Rules(
        staging,
        Publisher(backends, staging, locks, mounts),
        Usage(backends, connections, locks, mounts, run),
        Health(backends, mounts),
    )


class Node:
    """The service; one method for each RPC."""

    def __init__(self, rules: Rules, here: Here) -> None:
        self._rules = rules
        self._here = here

    def NodeGetInfo(self, _request: pb.NodeGetInfoRequest) -> pb.NodeGetInfoResponse:
        # No limit of volumes per node: 0 leaves it to the caller.
        return pb.NodeGetInfoResponse(
            node_id=self._here.node,
            accessible_topology=pb.Topology(segments=self._here.topology),
        )

    def NodeGetCapabilities(
        self, _request: pb.NodeGetCapabilitiesRequest
    ) -> pb.NodeGetCapabilitiesResponse:
        offered = ALWAYS + (ALPHA if self._here.alpha else ())
        return pb.NodeGetCapabilitiesResponse(capabilities=convert.capabilities(offered))

    def NodeStageVolume(self, request: pb.NodeStageVolumeRequest) -> pb.NodeStageVolumeResponse:
        require(request, "volume_id", "staging_target_path", "volume_capability")
        access = convert.access(request.volume_capability)
        volume, staging = VolumeId(request.volume_id), Path(request.staging_target_path)
        self._rules.staging.stage(volume, staging, access)
        return pb.NodeStageVolumeResponse()

    def NodeUnstageVolume(
        self, request: pb.NodeUnstageVolumeRequest
    ) -> pb.NodeUnstageVolumeResponse:
        require(request, "volume_id", "staging_target_path")
        volume, staging = VolumeId(request.volume_id), Path(request.staging_target_path)
        self._rules.staging.unstage(volume, staging)
        self._rules.usage.forget(volume)
        return pb.NodeUnstageVolumeResponse()

    def NodePublishVolume(
        self, request: pb.NodePublishVolumeRequest
    ) -> pb.NodePublishVolumeResponse:
        require(request, "volume_id", "target_path", "volume_capability")
        access = convert.access(request.volume_capability)
        volume, target = VolumeId(request.volume_id), Path(request.target_path)
        staging = convert.staging_path(request.staging_target_path)
        self._rules.publisher.publish(volume, staging, target, access, read_only=request.readonly)
        return pb.NodePublishVolumeResponse()

    def NodeUnpublishVolume(
        self, request: pb.NodeUnpublishVolumeRequest
    ) -> pb.NodeUnpublishVolumeResponse:
        require(request, "volume_id", "target_path")
        self._rules.publisher.unpublish(VolumeId(request.volume_id), Path(request.target_path))
        return pb.NodeUnpublishVolumeResponse()

    def NodeGetVolumeStats(
        self, request: pb.NodeGetVolumeStatsRequest
    ) -> pb.NodeGetVolumeStatsResponse:
        require(request, "volume_id", "volume_path")
        use = self._rules.usage.stats(VolumeId(request.volume_id), Path(request.volume_path))
        return pb.NodeGetVolumeStatsResponse(usage=convert.usage(use))

    def NodeExpandVolume(self, request: pb.NodeExpandVolumeRequest) -> pb.NodeExpandVolumeResponse:
        require(request, "volume_id", "volume_path")
        volume, shown_at = VolumeId(request.volume_id), Path(request.volume_path)
        required = convert.required_bytes(request.capacity_range)
        size = self._rules.usage.expand(volume, shown_at, required)
        return pb.NodeExpandVolumeResponse(capacity_bytes=size)

    def NodeGetVolumeHealth(
        self, request: pb.NodeGetVolumeHealthRequest
    ) -> pb.NodeGetVolumeHealthResponse:
        require(request, "volume_id")
        shown_at = convert.shown_path(request)
        troubles = self._rules.health.volume(VolumeId(request.volume_id), shown_at)
        health = convert.volume_health(request.volume_id, troubles)
        return pb.NodeGetVolumeHealthResponse(volume_health=health)

    def NodeGetStorageHealth(
        self, _request: pb.NodeGetStorageHealthRequest
    ) -> pb.NodeGetStorageHealthResponse:
        troubles = self._rules.health.storage()
        return pb.NodeGetStorageHealthResponse(backend_health=convert.storage_health(troubles))
