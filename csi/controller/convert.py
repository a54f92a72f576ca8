"""Between the messages of CSI's Controller service and the language of the provisioner.

What a message lacks or holds is checked here as far as the protocol alone can tell; whether it makes
sense for a backend is decided below.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import Int64Value

from csi.controller import parameters, sizes
from csi.controller.access import Access, agree
from csi.controller.capacity import Room
from csi.controller.inventory import Health
from csi.controller.paging import Page, Where
from csi.controller.requests import VolumeRequest
from csi.spec import csi_pb2 as pb
from drivers.errors import Invalid
from drivers.groups import GroupSnapshot
from drivers.model import SizeRange, Snapshot, Source, SourceKind, Volume, VolumeMode

AccessMode = pb.VolumeCapability.AccessMode


@dataclass(frozen=True, slots=True)
class Place:
    """Where the volumes of this process can be reached: one segment of one key."""

    key: str
    node: str

    def lies_in(self, topology: pb.Topology) -> bool:
        """Whether all segments of ``topology`` are ours."""
        return dict(topology.segments).items() <= {self.key: self.node}.items()

    def serves(self, requirement: pb.TopologyRequirement) -> bool:
        """Whether a volume here would do. CSI: what is only preferred does not bind."""
        return not requirement.requisite or any(map(self.lies_in, requirement.requisite))

    def message(self) -> pb.Topology:
        """This place as a message."""
        return pb.Topology(segments={self.key: self.node})


def require(request: Message, *fields: str) -> None:
    """Raise `Invalid`, naming it, for the first of ``fields`` that ``request`` does not have."""
    present = {field.name for field, _ in request.ListFields()}
    for field in fields:
        if field not in present:
            raise Invalid(f"{field} is missing")


def volume_request(request: pb.CreateVolumeRequest, place: Place) -> VolumeRequest:
    """What CreateVolume asks for."""
    require(request, "name", "volume_capabilities")
    parameters.refuse_mutable(request.mutable_parameters)
    has_source = request.HasField("volume_content_source")
    return VolumeRequest(
        name=request.name,
        size=size_range(request.capacity_range),
        accesses=accesses(request.volume_capabilities),
        parameters=dict(request.parameters),
        source=source(request.volume_content_source) if has_source else None,
        here=place.serves(request.accessibility_requirements),
    )


def size_range(capacity: pb.CapacityRange) -> SizeRange:
    """A capacity range, or the absence of one."""
    return sizes.asked(capacity.required_bytes, capacity.limit_bytes)


def growth(request: pb.ControllerExpandVolumeRequest) -> SizeRange:
    """The size that ControllerExpandVolume asks for."""
    require(request, "volume_id", "capacity_range")
    size = size_range(request.capacity_range)
    if size == SizeRange(0):
        raise Invalid("capacity_range names no size")
    return size


def expanded_mode(request: pb.ControllerExpandVolumeRequest) -> VolumeMode | None:
    """How the caller says that it uses the volume, if it says so."""
    if not request.HasField("volume_capability"):
        return None
    return agree(accesses([request.volume_capability])).mode


def accesses(capabilities: Iterable[pb.VolumeCapability]) -> tuple[Access, ...]:
    """Volume capabilities; raises `Invalid` for one that says neither how nor by whom."""
    return tuple(_access(each) for each in capabilities)


def source(content: pb.VolumeContentSource) -> Source:
    """What a volume is filled from. CSI: a kind that is not known is INVALID_ARGUMENT."""
    match content.WhichOneof("type"):
        case "snapshot" if content.snapshot.snapshot_id:
            return Source(SourceKind.SNAPSHOT, content.snapshot.snapshot_id)
        case "volume" if content.volume.volume_id:
            return Source(SourceKind.VOLUME, content.volume.volume_id)
    raise Invalid("volume_content_source names neither a snapshot nor a volume")


def where(
    request: pb.ListVolumesRequest | pb.ListSnapshotsRequest | pb.ControllerListVolumeHealthRequest,
) -> Where:
    """The page that a list request asks for."""
    return Where(request.max_entries, request.starting_token)


def volume(record: Volume, place: Place) -> pb.Volume:
    """A volume, with the source it was made from and where it can be reached."""
    return pb.Volume(
        volume_id=record.id,
        capacity_bytes=record.size,
        content_source=_content_source(record.source) if record.source else None,
        accessible_topology=[place.message()],
    )


def snapshot(record: Snapshot) -> pb.Snapshot:
    """A snapshot; one that can no longer be read is not ready to use."""
    created = Timestamp()
    created.FromDatetime(record.created)
    return pb.Snapshot(
        snapshot_id=record.id,
        source_volume_id=record.volume_id,
        # Kubernetes lets nobody restore into a claim that asks for less, not even into one like the source's.
        size_bytes=record.requested or record.size,
        creation_time=created,
        ready_to_use=record.usable,
        group_snapshot_id=record.group_snapshot_id or "",
    )


def group_snapshot(record: GroupSnapshot) -> pb.VolumeGroupSnapshot:
    """A group snapshot with its members."""
    created = Timestamp()
    created.FromDatetime(record.created)
    return pb.VolumeGroupSnapshot(
        group_snapshot_id=record.id,
        snapshots=[snapshot(each) for each in record.snapshots],
        creation_time=created,
        ready_to_use=record.usable,
    )


def volumes(page: Page[Volume], place: Place) -> pb.ListVolumesResponse:
    """A page of volumes."""
    entries = [pb.ListVolumesResponse.Entry(volume=volume(each, place)) for each in page.items]
    return pb.ListVolumesResponse(entries=entries, next_token=page.next)


def snapshots(page: Page[Snapshot]) -> pb.ListSnapshotsResponse:
    """A page of snapshots."""
    entries = [pb.ListSnapshotsResponse.Entry(snapshot=snapshot(each)) for each in page.items]
    return pb.ListSnapshotsResponse(entries=entries, next_token=page.next)


def validated(
    request: pb.ValidateVolumeCapabilitiesRequest, refusal: str
) -> pb.ValidateVolumeCapabilitiesResponse:
    """What was asked about, confirmed whole, or why it is not."""
    if not refusal and request.mutable_parameters:
        refusal = f"mutable parameter {min(request.mutable_parameters)!r} is not known"
    if refusal:
        return pb.ValidateVolumeCapabilitiesResponse(message=refusal)
    return pb.ValidateVolumeCapabilitiesResponse(
        confirmed=pb.ValidateVolumeCapabilitiesResponse.Confirmed(
            volume_context=request.volume_context,
            volume_capabilities=request.volume_capabilities,
            parameters=request.parameters,
        )
    )


def room(found: Room, *, alpha: bool) -> pb.GetCapacityResponse:
    """The room there is; the least size is an alpha field."""
    return pb.GetCapacityResponse(
        available_capacity=found.available,
        maximum_volume_size=Int64Value(value=found.maximum),
        minimum_volume_size=Int64Value(value=found.minimum) if alpha else None,
    )


def health(found: Health) -> pb.VolumeHealth:
    """What is wrong with one volume."""
    entries = [
        pb.VolumeHealth.VolumeHealthEntry(
            status=pb.VolumeHealthErrorType.Value(each.degree.value),
            reason=each.reason,
            message=each.message,
        )
        for each in found.ailments
    ]
    return pb.VolumeHealth(volume_id=found.id, health_statuses=entries)


def capabilities(
    types: Sequence[pb.ControllerServiceCapability.RPC.Type.ValueType],
) -> pb.ControllerGetCapabilitiesResponse:
    """The announcement of RPCs."""
    rpcs = [pb.ControllerServiceCapability.RPC(type=each) for each in types]
    return pb.ControllerGetCapabilitiesResponse(
        capabilities=[pb.ControllerServiceCapability(rpc=each) for each in rpcs]
    )


def _access(capability: pb.VolumeCapability) -> Access:
    kind = capability.WhichOneof("access_type")
    if kind is None:
        raise Invalid("a volume capability says neither block nor mount")
    if capability.access_mode.mode == AccessMode.UNKNOWN:
        raise Invalid("a volume capability has no access mode")
    mode = VolumeMode.BLOCK if kind == "block" else VolumeMode.FILESYSTEM
    mount = capability.mount
    name = _mode_name(capability.access_mode.mode)
    return Access(mode, name, mount.fs_type, tuple(mount.mount_flags))


def _mode_name(mode: AccessMode.Mode.ValueType) -> str:
    # CSI: values of a newer orchestrator arrive as plain numbers.
    value = AccessMode.Mode.DESCRIPTOR.values_by_number.get(mode)
    return value.name if value else str(mode)


def _content_source(origin: Source) -> pb.VolumeContentSource:
    if origin.kind is SourceKind.SNAPSHOT:
        snapshot_source = pb.VolumeContentSource.SnapshotSource(snapshot_id=origin.id)
        return pb.VolumeContentSource(snapshot=snapshot_source)
    volume_source = pb.VolumeContentSource.VolumeSource(volume_id=origin.id)
    return pb.VolumeContentSource(volume=volume_source)
