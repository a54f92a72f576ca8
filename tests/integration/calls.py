"""CSI messages as the sidecars make them, and calling with them as they do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc

from csi.spec import csi_pb2 as pb

PATIENCE = 60.0
PAUSE = 0.1
Mode = pb.VolumeCapability.AccessMode


def creation(
    name: str,
    size: int,
    *,
    layout: str,
    fs_type: str = "",
    limit: int = 0,
    snapshot: str = "",
    volume: str = "",
) -> pb.CreateVolumeRequest:
    """CreateVolume as the provisioner asks for it."""
    request = pb.CreateVolumeRequest(
        name=name,
        capacity_range=pb.CapacityRange(required_bytes=size, limit_bytes=limit),
        volume_capabilities=[capability(fs_type)],
        parameters={"hearth-csi.io/backend": "b", "hearth-csi.io/layout": layout},
    )
    if snapshot:
        request.volume_content_source.snapshot.snapshot_id = snapshot
    if volume:
        request.volume_content_source.volume.volume_id = volume
    return request


def growth(volume_id: str, size: int) -> pb.ControllerExpandVolumeRequest:
    """ControllerExpandVolume as the resizer asks for it."""
    wanted = pb.CapacityRange(required_bytes=size)
    return pb.ControllerExpandVolumeRequest(volume_id=volume_id, capacity_range=wanted)


def capability(fs_type: str) -> pb.VolumeCapability:
    """Read and write on one node: a filesystem, or the device if ``fs_type`` is empty."""
    mode = Mode(mode=Mode.SINGLE_NODE_WRITER)
    if not fs_type:
        return pb.VolumeCapability(block=pb.VolumeCapability.BlockVolume(), access_mode=mode)
    mount = pb.VolumeCapability.MountVolume(fs_type=fs_type)
    return pb.VolumeCapability(mount=mount, access_mode=mode)


def again(call: Callable[..., Any], request: object) -> Any:
    """The answer to a call, repeated while it is ABORTED, as a sidecar does.

    A machine under load may also not be done with a snapshot in the second that a btrfs is frozen.
    """
    pause, until = threading.Event(), time.monotonic() + PATIENCE
    while True:
        try:
            return call(request, timeout=PATIENCE)
        except grpc.RpcError as refused:
            late = "was thawed after" in (refused.details() or "")
            aborted = refused.code() is grpc.StatusCode.ABORTED
            if not (aborted or late) or time.monotonic() > until:
                raise
        pause.wait(PAUSE)


def refusal(
    call: Callable[..., Any], request: object, timeout: float = PATIENCE
) -> tuple[str, str]:
    """The code and the message that a call is refused with; ("OK", "") if it is not."""
    try:
        call(request, timeout=timeout)
    except grpc.RpcError as refused:
        return refused.code().name, refused.details() or ""
    return "OK", ""
