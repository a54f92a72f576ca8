"""A whole `hearth all` in this process, on drivers in memory, behind a real socket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import grpc
import pytest

from csi.app.node import NodeApp as App
from csi.app.node import Serving, build
from csi.rpc.client import Client
from csi.settings import BackendSettings, NodeSettings
from csi.spec import csi_pb2 as pb
from drivers.model import MIB
from tests.fakes.memory import REGISTRY, MemoryDriver, MemoryOptions, PlainDriver
from tests.fakes.moods import Moods

NODE = "n1"
KEY = "topology.hearth-csi.io/node"
BACKEND = "hearth-csi.io/backend"
LAYOUT = "hearth-csi.io/layout"
NO_TOKEN = "invalid-token"  # noqa: S105 - as csi-sanity has it
Options = Mapping[str, tuple[type[PlainDriver], MemoryOptions]]
ONE: Options = {"fast": (MemoryDriver, MemoryOptions())}
NO_MOODS: Mapping[str, Moods] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Bench:
    """The process's parts that a test talks to or looks at."""

    app: App
    client: Client
    endpoint: str

    def driver(self, name: str = "fast") -> PlainDriver:
        """The driver of a backend, to look into it or to change its mood."""
        return driver_of(self.app, name)

    def create(self, name: str, size: int = 8 * MIB, **fields: Any) -> pb.Volume:
        """A volume made with the least that a request needs."""
        volume: pb.Volume = self.client.controller.CreateVolume(wanted(name, size, **fields)).volume
        return volume

    def snapshot(self, name: str, volume: pb.Volume) -> pb.Snapshot:
        """A snapshot of a volume."""
        request = pb.CreateSnapshotRequest(name=name, source_volume_id=volume.volume_id)
        snapshot: pb.Snapshot = self.client.controller.CreateSnapshot(request).snapshot
        return snapshot

    def delete(self, volume_id: str) -> None:
        """DeleteVolume."""
        self.client.controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id=volume_id))

    def expand(self, volume_id: str, required: int, limit: int = 0) -> int:
        """The size after ControllerExpandVolume."""
        request = pb.ControllerExpandVolumeRequest(
            volume_id=volume_id,
            capacity_range=pb.CapacityRange(required_bytes=required, limit_bytes=limit),
        )
        size: int = self.client.controller.ControllerExpandVolume(request).capacity_bytes
        return size

    def ids(self, **fields: Any) -> list[str]:
        """What ListVolumes lists."""
        response = self.client.controller.ListVolumes(pb.ListVolumesRequest(**fields))
        return [each.volume.volume_id for each in response.entries]

    def snapshot_ids(self, **fields: Any) -> list[str]:
        """What ListSnapshots lists."""
        response = self.client.controller.ListSnapshots(pb.ListSnapshotsRequest(**fields))
        return [each.snapshot.snapshot_id for each in response.entries]

    def capacity(self, **fields: Any) -> tuple[int, int]:
        """The available bytes and the largest volume that GetCapacity tells."""
        response = self.client.controller.GetCapacity(pb.GetCapacityRequest(**fields))
        return response.available_capacity, response.maximum_volume_size.value

    def announced(self) -> set[str]:
        """The names of what ControllerGetCapabilities announces."""
        request = pb.ControllerGetCapabilitiesRequest()
        response = self.client.controller.ControllerGetCapabilities(request)
        types = pb.ControllerServiceCapability.RPC.Type
        return {types.Name(each.rpc.type) for each in response.capabilities}


@contextmanager
def bench(
    backends: Options = ONE,
    *,
    alpha: bool = False,
    http: str | None = None,
    moods: Mapping[str, Moods] = NO_MOODS,
) -> Iterator[Bench]:
    """A process that has tried to set its backends up; it is stopped in order at the end.

    ``moods`` are those in which backends are from the start; one that does not come to an end of its
    set-up is not waited for.
    """
    # Not pytest's directory: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hearth-") as directory:
        settings = NodeSettings(
            node=NODE,
            driver_name="hearth-csi.io",
            kubelet_directory=Path(directory),
            backends=tuple(
                BackendSettings(name, driver, options)
                for name, (driver, options) in backends.items()
            ),
        )
        endpoint = f"unix://{directory}/csi.sock"
        app = build(settings, REGISTRY.drivers, Serving(endpoint, http, alpha, grace=5.0))
        for name, mood in moods.items():
            driver_of(app, name).moods = mood
        app.start()
        try:
            for backend in app.backends:
                if driver_of(app, backend.name).moods.set_up_gate.is_set():
                    assert backend.set_up().wait(5)
            with Client(endpoint) as client:
                yield Bench(app, client, endpoint)
        finally:
            assert app.stop()


def mount(fs_type: str = "", mode: str = "SINGLE_NODE_WRITER", *flags: str) -> pb.VolumeCapability:
    """A capability of a filesystem."""
    kind = pb.VolumeCapability.MountVolume(fs_type=fs_type, mount_flags=flags)
    return pb.VolumeCapability(mount=kind, access_mode=_mode(mode))


def block(mode: str = "SINGLE_NODE_WRITER") -> pb.VolumeCapability:
    """A capability of a device."""
    return pb.VolumeCapability(block=pb.VolumeCapability.BlockVolume(), access_mode=_mode(mode))


def wanted(name: str, size: int = 8 * MIB, **fields: Any) -> pb.CreateVolumeRequest:
    """CreateVolume with the least that it needs, and ``fields`` in place of that."""
    usual: dict[str, Any] = {
        "name": name,
        "capacity_range": pb.CapacityRange(required_bytes=size),
        "volume_capabilities": [mount()],
    }
    return pb.CreateVolumeRequest(**{**usual, **fields})


def from_snapshot(snapshot_id: str) -> pb.VolumeContentSource:
    """A content source."""
    source = pb.VolumeContentSource.SnapshotSource(snapshot_id=snapshot_id)
    return pb.VolumeContentSource(snapshot=source)


def from_volume(volume_id: str) -> pb.VolumeContentSource:
    """A content source."""
    return pb.VolumeContentSource(volume=pb.VolumeContentSource.VolumeSource(volume_id=volume_id))


@contextmanager
def refused(code: str, *words: str) -> Iterator[None]:
    """The block's call fails with that gRPC code, and its message has all of ``words``."""
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code().name == code, caught.value.details()
    for word in words:
        assert word in str(caught.value.details())


def driver_of(app: App, name: str) -> PlainDriver:
    driver = app.backends.by_name[name].driver
    assert isinstance(driver, PlainDriver)
    return driver


def _mode(name: str) -> pb.VolumeCapability.AccessMode:
    return pb.VolumeCapability.AccessMode(mode=pb.VolumeCapability.AccessMode.Mode.Value(name))
