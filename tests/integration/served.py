"""`hearth all` as a process of its own on a real volume group, and CSI calls to it in few words."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from tests.integration.calls import PATIENCE, PAUSE, again, capability, creation, growth

HTTP = "127.0.0.1:9810"


@dataclass
class Served:
    """The process and a client of it. ``group`` is the volume group, ``pool`` its thin pool or nothing.

    All that it needs is in ``folder``: socket, configuration, log, and a kubelet's directory.
    """

    folder: Path
    group: str
    pool: str = ""
    options: Mapping[str, object] = field(default_factory=dict)
    http: str = HTTP
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"unix://{self.folder}/csi.sock"

    @property
    def kubelet(self) -> Path:
        """Below which paths may lie."""
        return self.folder / "kubelet"

    @property
    def log(self) -> Path:
        """What it writes to standard error, of all its lives."""
        return self.folder / "log"

    def start(self) -> None:
        """Start it and return when it is ready."""
        self.kubelet.mkdir(exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stderr=log)
        self.client = Client(self.endpoint)
        until = time.monotonic() + PATIENCE
        while not self.client.identity.Probe(
            pb.ProbeRequest(), timeout=PATIENCE, wait_for_ready=True
        ).ready.value:
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(PAUSE)

    def command(self) -> list[str]:
        """How it is started, with a configuration written just now."""
        pool = {"thinPools": f"[{self.pool}]"} if self.pool else {}
        given = {"name": "b", "driver": "lvm", "volumeGroup": self.group, **pool, **self.options}
        backend = ", ".join(f"{key}: {value}" for key, value in given.items())
        config = self.folder / "node.yaml"
        config.write_text(
            f"node: here\nkubeletDirectory: {self.kubelet}\n"
            f"backends: [{{{backend}, runtimeDirectory: {self.folder}/run,"
            f" backupDirectory: {self.folder}/backup}}]\n"
        )
        arguments = ["--config", str(config), "--endpoint", self.endpoint, "--http", self.http]
        return [sys.executable, "-m", "csi", "all", *arguments]

    def stop(self) -> int:
        """Ask it to end by SIGTERM; its exit status."""
        self.client.close()
        process, self.process = self.process, None
        if process is None:
            return 0
        process.terminate()
        return process.wait(timeout=PATIENCE)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.client.close()
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """End it in order and start it anew: whatever it had in memory is gone."""
        assert self.stop() == 0, self.log.read_text()[-4000:]
        self.start()

    def create(
        self,
        name: str,
        size: int,
        *,
        layout: str = "linear",
        fs_type: str = "ext4",
        snapshot: str = "",
        volume: str = "",
    ) -> pb.Volume:
        """A volume, empty or from a ``snapshot`` or ``volume``; a block device if no ``fs_type``."""
        request = creation(
            name, size, layout=layout, fs_type=fs_type, snapshot=snapshot, volume=volume
        )
        made: pb.Volume = again(self.client.controller.CreateVolume, request).volume
        return made

    def delete(self, volume_id: str) -> None:
        """Delete a volume."""
        again(self.client.controller.DeleteVolume, pb.DeleteVolumeRequest(volume_id=volume_id))

    def snapshot(self, name: str, volume_id: str) -> pb.Snapshot:
        """Make a snapshot."""
        request = pb.CreateSnapshotRequest(name=name, source_volume_id=volume_id)
        made: pb.Snapshot = again(self.client.controller.CreateSnapshot, request).snapshot
        return made

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot."""
        request = pb.DeleteSnapshotRequest(snapshot_id=snapshot_id)
        again(self.client.controller.DeleteSnapshot, request)

    def staging(self, volume_id: str) -> Path:
        """Where a volume is staged; kubelet makes the directory."""
        path = self.kubelet / "plugins" / volume_id
        path.mkdir(parents=True, exist_ok=True)
        return path

    def target(self, volume_id: str) -> Path:
        """Where a volume is published; kubelet makes the directory above."""
        path = self.kubelet / "pods" / volume_id / "mount"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def stage(self, volume_id: str, fs_type: str = "ext4") -> None:
        """NodeStageVolume."""
        request = pb.NodeStageVolumeRequest(
            volume_id=volume_id,
            staging_target_path=str(self.staging(volume_id)),
            volume_capability=capability(fs_type),
        )
        again(self.client.node.NodeStageVolume, request)

    def publish(self, volume_id: str, fs_type: str = "ext4") -> Path:
        """Stage and publish; where the pod sees the volume."""
        self.stage(volume_id, fs_type)
        request = pb.NodePublishVolumeRequest(
            volume_id=volume_id,
            staging_target_path=str(self.staging(volume_id)),
            target_path=str(self.target(volume_id)),
            volume_capability=capability(fs_type),
        )
        again(self.client.node.NodePublishVolume, request)
        return self.target(volume_id)

    def withdraw(self, volume_id: str) -> None:
        """Unpublish and unstage."""
        unpublish = pb.NodeUnpublishVolumeRequest(
            volume_id=volume_id, target_path=str(self.target(volume_id))
        )
        again(self.client.node.NodeUnpublishVolume, unpublish)
        unstage = pb.NodeUnstageVolumeRequest(
            volume_id=volume_id, staging_target_path=str(self.staging(volume_id))
        )
        again(self.client.node.NodeUnstageVolume, unstage)

    def grow(self, volume_id: str, size: int) -> int:
        """ControllerExpandVolume; the new size."""
        answer = again(self.client.controller.ControllerExpandVolume, growth(volume_id, size))
        return int(answer.capacity_bytes)

    def grow_on_node(self, volume_id: str, size: int) -> int:
        """NodeExpandVolume of what is published; the size of its device."""
        request = pb.NodeExpandVolumeRequest(
            volume_id=volume_id,
            volume_path=str(self.target(volume_id)),
            staging_target_path=str(self.staging(volume_id)),
            capacity_range=pb.CapacityRange(required_bytes=size),
        )
        return int(again(self.client.node.NodeExpandVolume, request).capacity_bytes)

    def volumes(self) -> dict[str, int]:
        """The listed volumes, with their sizes."""
        listed = again(self.client.controller.ListVolumes, pb.ListVolumesRequest())
        return {each.volume.volume_id: each.volume.capacity_bytes for each in listed.entries}

    def snapshots(self) -> set[str]:
        """The ids of the listed snapshots."""
        listed = again(self.client.controller.ListSnapshots, pb.ListSnapshotsRequest())
        return {each.snapshot.snapshot_id for each in listed.entries}

    def room(self, layout: str = "linear") -> pb.GetCapacityResponse:
        """GetCapacity for a layout."""
        request = pb.GetCapacityRequest(parameters={"hearth-csi.io/layout": layout})
        answer: pb.GetCapacityResponse = again(self.client.controller.GetCapacity, request)
        return answer

    def metric(self, name: str, labels: str = '{backend="b"}') -> float:
        """A metric, as Prometheus would read it."""
        with urllib.request.urlopen(f"http://{self.http}/metrics", timeout=10) as answer:
            page = answer.read().decode()
        start = f"{name}{labels} "
        return next(float(row[len(start) :]) for row in page.splitlines() if row.startswith(start))

    def drain(self) -> None:
        """Return when what was deleted is wiped and gone."""
        pause, until = threading.Event(), time.monotonic() + PATIENCE
        while self.metric("hearth_backend_wiping"):
            assert time.monotonic() < until, self.log.read_text()[-4000:]
            pause.wait(PAUSE)

    def empty(self) -> None:
        """Take away everything that the service knows, the CSI way."""
        for folder in (self.kubelet / "plugins").glob("*"):
            self.withdraw(folder.name)
            self.staging(folder.name).rmdir()
            self.target(folder.name).parent.rmdir()
        for snapshot_id in self.snapshots():
            self.delete_snapshot(snapshot_id)
        for volume_id in self.volumes():
            self.delete(volume_id)
        self.drain()


def lvm(*arguments: str) -> str:
    """Run LVM as an administrator would, beside the service; what it printed."""
    ended = subprocess.run(
        ["lvm", *arguments],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "LVM_SUPPRESS_FD_WARNINGS": "1"},
    )
    assert ended.returncode == 0, f"{arguments}: {ended.stderr}"
    return ended.stdout
