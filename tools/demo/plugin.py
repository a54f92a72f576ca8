"""CSI calls in a few words, as kubelet and the sidecars make them: repeated while they are ABORTED."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc

from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb

PATIENCE = 120.0
PAUSE = 0.5
"""Seconds before an ABORTED call is repeated; the sidecars begin with one second."""

Mode = pb.VolumeCapability.AccessMode


class Plugin:
    """One CSI endpoint, one backend behind it."""

    def __init__(self, client: Client, backend: str, kubelet: Path, metrics: str) -> None:
        """``kubelet`` is the directory for staging and target paths, ``metrics`` an address."""
        self._client = client
        self._backend = backend
        self._kubelet = kubelet
        self._metrics = metrics

    def create(self, name: str, size: int, *, block: bool = False, **source: str) -> pb.Volume:
        """A volume, empty, or from ``snapshot=ID`` or ``volume=ID``."""
        request = pb.CreateVolumeRequest(
            name=name,
            capacity_range=pb.CapacityRange(required_bytes=size),
            volume_capabilities=[capability(block)],
            parameters=self._parameters(),
        )
        if "snapshot" in source:
            request.volume_content_source.snapshot.snapshot_id = source["snapshot"]
        if "volume" in source:
            request.volume_content_source.volume.volume_id = source["volume"]
        volume: pb.Volume = again(self._client.controller.CreateVolume, request).volume
        return volume

    def delete(self, volume_id: str) -> None:
        """Delete a volume."""
        request = pb.DeleteVolumeRequest(volume_id=volume_id)
        again(self._client.controller.DeleteVolume, request)

    def snapshot(self, name: str, volume_id: str) -> str:
        """Make a snapshot; its id."""
        request = pb.CreateSnapshotRequest(name=name, source_volume_id=volume_id)
        made = again(self._client.controller.CreateSnapshot, request).snapshot
        return str(made.snapshot_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        request = pb.DeleteSnapshotRequest(snapshot_id=snapshot_id)
        again(self._client.controller.DeleteSnapshot, request)

    def stage_and_publish(self, volume_id: str, name: str) -> Path:
        """Bring a filesystem volume to a pod called ``name``; where the pod sees it."""
        staging, target = self._paths(name)
        for folder in (staging, target.parent):
            folder.mkdir(parents=True)
        stage = pb.NodeStageVolumeRequest(
            volume_id=volume_id,
            staging_target_path=str(staging),
            volume_capability=capability(block=False),
        )
        again(self._client.node.NodeStageVolume, stage)
        publish = pb.NodePublishVolumeRequest(
            volume_id=volume_id,
            staging_target_path=str(staging),
            target_path=str(target),
            volume_capability=capability(block=False),
        )
        again(self._client.node.NodePublishVolume, publish)
        return target

    def take_away(self, volume_id: str, name: str) -> None:
        """Unpublish and unstage: the pod has ended."""
        staging, target = self._paths(name)
        unpublish = pb.NodeUnpublishVolumeRequest(volume_id=volume_id, target_path=str(target))
        again(self._client.node.NodeUnpublishVolume, unpublish)
        unstage = pb.NodeUnstageVolumeRequest(volume_id=volume_id, staging_target_path=str(staging))
        again(self._client.node.NodeUnstageVolume, unstage)
        staging.rmdir()
        target.parent.rmdir()

    def grow(self, volume_id: str, name: str, size: int) -> int:
        """Grow a mounted volume and its filesystem; the new size of the volume in bytes."""
        wanted = pb.CapacityRange(required_bytes=size)
        expand = pb.ControllerExpandVolumeRequest(volume_id=volume_id, capacity_range=wanted)
        grown = again(self._client.controller.ControllerExpandVolume, expand)
        if grown.node_expansion_required:
            on_node = pb.NodeExpandVolumeRequest(
                volume_id=volume_id,
                volume_path=str(self._paths(name)[1]),
                staging_target_path=str(self._paths(name)[0]),
                capacity_range=wanted,
            )
            again(self._client.node.NodeExpandVolume, on_node)
        return int(grown.capacity_bytes)

    def refusal_to_grow(self, volume_id: str, size: int) -> tuple[str, str]:
        """The code and the message of a growth that is refused; ("OK", "") if it is not."""
        wanted = pb.CapacityRange(required_bytes=size)
        request = pb.ControllerExpandVolumeRequest(volume_id=volume_id, capacity_range=wanted)
        try:
            self._client.controller.ControllerExpandVolume(request, timeout=PATIENCE)
        except grpc.RpcError as refused:
            return refused.code().name, refused.details() or ""
        return "OK", ""

    def volumes(self) -> set[str]:
        """The ids of all volumes, on all backends."""
        listed = again(self._client.controller.ListVolumes, pb.ListVolumesRequest())
        return {entry.volume.volume_id for entry in listed.entries}

    def snapshots(self) -> set[str]:
        """The ids of all snapshots, on all backends."""
        listed = again(self._client.controller.ListSnapshots, pb.ListSnapshotsRequest())
        return {entry.snapshot.snapshot_id for entry in listed.entries}

    def capacity(self) -> int:
        """Free bytes, as GetCapacity answers."""
        request = pb.GetCapacityRequest(parameters=self._parameters())
        return int(again(self._client.controller.GetCapacity, request).available_capacity)

    def metric(self, name: str) -> float:
        """A metric of this backend, as Prometheus would read it."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=30) as answer:
            page = answer.read().decode()
        start = f'{name}{{backend="{self._backend}"}} '
        return next(
            float(line.removeprefix(start)) for line in page.splitlines() if line.startswith(start)
        )

    def wait_until_wiped(self) -> None:
        """Return when what was deleted has been wiped and is free again."""
        end = time.monotonic() + PATIENCE
        pause = threading.Event()
        while self.metric("hearth_backend_wiping") > 0:
            if time.monotonic() > end:
                raise TimeoutError(f"backend {self._backend} still wipes after {PATIENCE:.0f} s")
            pause.wait(PAUSE)

    def _parameters(self) -> Mapping[str, str]:
        return {"hearth-csi.io/backend": self._backend}

    def _paths(self, name: str) -> tuple[Path, Path]:
        # As kubelet lays them out: plugins/kubernetes.io/csi/… and pods/UID/volumes/….
        return self._kubelet / f"plugins/{name}", self._kubelet / f"pods/{name}/mount"


def capability(block: bool) -> pb.VolumeCapability:
    """Read and write on one node: a device, or ext4."""
    mode = pb.VolumeCapability.AccessMode(mode=Mode.SINGLE_NODE_WRITER)
    if block:
        return pb.VolumeCapability(block=pb.VolumeCapability.BlockVolume(), access_mode=mode)
    mount = pb.VolumeCapability.MountVolume(fs_type="ext4")
    return pb.VolumeCapability(mount=mount, access_mode=mode)


def again(call: Callable[..., Any], request: object) -> Any:
    """The answer to a call, repeated while it is ABORTED: a copy goes on in the background."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while True:
        try:
            return call(request, timeout=PATIENCE)
        except grpc.RpcError as refused:
            if refused.code() is not grpc.StatusCode.ABORTED or time.monotonic() > end:
                raise
        pause.wait(PAUSE)
