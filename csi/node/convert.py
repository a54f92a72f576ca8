"""Between the messages of CSI's Node service and the words of its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from google.protobuf.message import Message

from csi.node.access import Access
from csi.node.health import Severity, Trouble
from csi.node.usage import Amount, Use
from csi.spec import csi_pb2 as pb
from drivers.errors import Invalid, OutOfRange, Precondition
from drivers.model import VolumeMode

Mode = pb.VolumeCapability.AccessMode.Mode
Backend = pb.NodeGetStorageHealthResponse.StorageBackendHealth
Capability: TypeAlias = pb.NodeServiceCapability.RPC.Type.ValueType

VOLUME_STATUS: Mapping[Severity, pb.VolumeHealthErrorType.ValueType] = MappingProxyType(
    {
        Severity.DEGRADED: pb.VolumeHealthErrorType.Value("DEGRADED"),
        Severity.UNREACHABLE: pb.VolumeHealthErrorType.Value("INACCESSIBLE"),
    }
)
STORAGE_STATUS: Mapping[Severity, pb.StorageHealthErrorType.ValueType] = MappingProxyType(
    {
        Severity.DEGRADED: pb.StorageHealthErrorType.Value("STORAGE_DEGRADED"),
        Severity.UNREACHABLE: pb.StorageHealthErrorType.Value("STORAGE_UNREACHABLE"),
    }
)


def require(request: Message, *fields: str) -> None:
    """Raise `Invalid`, naming it, for the first of ``fields`` that ``request`` does not have."""
    present = {field.name for field, _ in request.ListFields()}
    for field in fields:
        if field not in present:
            raise Invalid(f"{field} is missing")


def access(capability: pb.VolumeCapability) -> Access:
    """What a capability asks for. Raises `Invalid` if it says nothing or what is not offered."""
    mode = capability.access_mode.mode
    if mode == Mode.UNKNOWN:
        raise Invalid("volume_capability.access_mode is missing")
    name = Mode.Name(mode) if mode in Mode.values() else f"number {mode}"
    match capability.WhichOneof("access_type"):
        case "block":
            return Access(VolumeMode.BLOCK, name)
        case "mount":
            return _mounted(name, capability.mount)
        case _:
            raise Invalid("volume_capability has neither block nor mount")


def staging_path(text: str) -> Path:
    """The staging path of a publication. CSI: without it, FAILED_PRECONDITION."""
    if not text:
        raise Precondition(
            "staging_target_path is missing: a volume is staged before it is published"
        )
    return Path(text)


def shown_path(request: pb.NodeGetVolumeHealthRequest) -> Path | None:
    """Where the caller sees the volume, None if it does not say."""
    text = request.volume_publish_path or request.staging_target_path
    return Path(text) if text else None


def required_bytes(capacity: pb.CapacityRange) -> int:
    """The bytes that a volume must have at least; 0 if the caller does not say.

    Raises `Invalid` for negative numbers and `OutOfRange` for a range in which no number is.
    """
    required, limit = capacity.required_bytes, capacity.limit_bytes
    if required < 0 or limit < 0:
        raise Invalid(f"capacity_range: {min(required, limit)} bytes are below 0")
    if limit and required > limit:
        raise OutOfRange(f"capacity_range: at least {required} and at most {limit} is no range")
    return required


def usage(use: Use) -> Sequence[pb.VolumeUsage]:
    """The usage of a volume."""
    amounts = [_amount(use.bytes, pb.VolumeUsage.BYTES)]
    return amounts + ([_amount(use.inodes, pb.VolumeUsage.INODES)] if use.inodes else [])


def volume_health(volume_id: str, troubles: Sequence[Trouble]) -> pb.VolumeHealth:
    """The health of a volume."""
    entries = [
        pb.VolumeHealth.VolumeHealthEntry(
            status=VOLUME_STATUS[each.severity], reason=each.reason, message=each.message
        )
        for each in troubles
    ]
    return pb.VolumeHealth(volume_id=volume_id, health_statuses=entries)


def storage_health(troubles: Sequence[Trouble]) -> Sequence[Backend]:
    """The health of the backends."""
    return [
        Backend(status=STORAGE_STATUS[each.severity], reason=each.reason, message=each.message)
        for each in troubles
    ]


def capabilities(rpcs: Sequence[Capability]) -> Sequence[pb.NodeServiceCapability]:
    """The capabilities of the Node service."""
    return [pb.NodeServiceCapability(rpc=pb.NodeServiceCapability.RPC(type=each)) for each in rpcs]


def _mounted(mode: str, mount: pb.VolumeCapability.MountVolume) -> Access:
    if mount.volume_mount_group:
        raise Invalid("volume_mount_group is not offered; the caller changes the group itself")
    return Access(VolumeMode.FILESYSTEM, mode, mount.fs_type, tuple(mount.mount_flags))


def _amount(amount: Amount, unit: pb.VolumeUsage.Unit.ValueType) -> pb.VolumeUsage:
    return pb.VolumeUsage(
        available=amount.available, total=amount.total, used=amount.used, unit=unit
    )
