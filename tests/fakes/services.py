"""CSI services without storage, and a server with them on a real socket.

`Controller` keeps its volumes in a dict. A volume's name says how its creation ends, so that a test
needs no access to the service it calls.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import pytest

from csi.metrics import Metrics
from csi.rpc.client import Client
from csi.rpc.endpoint import UnixSocket
from csi.rpc.identity import Identity, Plugin
from csi.rpc.server import Server
from csi.spec import csi_pb2
from drivers import exec as programs
from drivers.errors import StorageError

SERVICE = csi_pb2.PluginCapability.Service
PLUGIN = Plugin("hearth-csi.io", "1.2.3", [SERVICE.CONTROLLER_SERVICE], manifest={"fake": "0.0.1"})


@dataclass
class Controller:
    """Creates volumes in memory; names in ``failing`` raise, and those in ``slow`` wait for ``go``.

    Those in ``patient`` wait as long as they have time.
    """

    failing: dict[str, Exception] = field(default_factory=dict)
    slow: set[str] = field(default_factory=set)
    patient: set[str] = field(default_factory=set)
    go: threading.Event = field(default_factory=threading.Event)
    working: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    volumes: dict[str, csi_pb2.Volume] = field(default_factory=dict)
    remaining: list[float | None] = field(default_factory=list)

    def CreateVolume(self, request: csi_pb2.CreateVolumeRequest) -> csi_pb2.CreateVolumeResponse:
        self.remaining.append(programs.remaining())
        self.working.release()
        if request.name in self.slow:
            assert self.go.wait(30)
        if request.name in self.patient:
            self.go.wait(programs.remaining())
        if error := self.failing.get(request.name):
            raise error
        made = csi_pb2.Volume(volume_id=f"fake.{len(self.volumes)}")
        return csi_pb2.CreateVolumeResponse(volume=self.volumes.setdefault(request.name, made))

    def DeleteVolume(self, request: csi_pb2.DeleteVolumeRequest) -> csi_pb2.DeleteVolumeResponse:
        kept = {
            name: one for name, one in self.volumes.items() if one.volume_id != request.volume_id
        }
        self.volumes = kept
        return csi_pb2.DeleteVolumeResponse()

    def ControllerGetVolume(
        self, request: csi_pb2.ControllerGetVolumeRequest
    ) -> csi_pb2.ControllerGetVolumeResponse:
        return csi_pb2.ControllerGetVolumeResponse(
            volume=csi_pb2.Volume(volume_id=request.volume_id)
        )


def failing_with(error: StorageError | Exception) -> Controller:
    """A controller whose volume ``broken`` cannot be created because of ``error``."""
    return Controller(failing={"broken": error})


def refusal(
    call: Callable[..., object], request: object, timeout: float | None = None
) -> tuple[grpc.StatusCode, str]:
    """The code and the message with which ``call`` refuses ``request``."""
    with pytest.raises(grpc.RpcError) as got:
        call(request, timeout=timeout)
    return got.value.code(), got.value.details() or ""


@contextmanager
def serving(
    at: Path, *services: object, metrics: Metrics | None = None, alpha: bool = False
) -> Iterator[Client]:
    """A client of a server on the socket ``at`` with an Identity and ``services``."""
    identity = Identity(PLUGIN, lambda: True)
    every: Sequence[object] = [identity, *services]
    server = Server(UnixSocket(at), every, metrics or Metrics("1.2.3"), alpha=alpha)
    server.start()
    try:
        with Client(f"unix://{at}") as client:
            yield client
    finally:
        server.stop(5)
