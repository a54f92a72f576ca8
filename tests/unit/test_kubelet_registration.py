"""Kubelet's side of the registration socket: it asks who is there, and tells what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from csi.metrics import Metrics
from csi.rpc import endpoint
from csi.rpc.client import stub
from csi.rpc.endpoint import UnixSocket
from csi.rpc.registration import Plugin, Registrar, Registration
from csi.rpc.server import Server
from csi.spec import registration_pb2 as pb
from tests.fakes.cluster import cluster, eventually

SERVICE = pb.DESCRIPTOR.services_by_name["Registration"]


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "hearth-csi.io-reg.sock"


@pytest.fixture
def registrar(at: Path) -> Iterator[Registrar]:
    def serve(registration: Registration) -> Server:
        return Server(UnixSocket(at), [registration], Metrics("1.2.3"))

    made = Registrar(Plugin("hearth-csi.io", "/kubelet/csi.sock"), serve, pause=0.1)
    made.start()
    yield made
    made.stop(1)


def ask(at: Path, method: str, request: object) -> Any:
    with grpc.insecure_channel(endpoint.target(at)) as channel:
        return getattr(stub(channel, SERVICE), method)(request, timeout=5)


@pytest.mark.usefixtures("registrar")
def test_kubelet_is_told_what_it_needs(at: Path) -> None:
    info = ask(at, "GetInfo", pb.InfoRequest())
    assert (info.type, info.name, info.endpoint) == (
        "CSIPlugin",
        "hearth-csi.io",
        "/kubelet/csi.sock",
    )
    assert list(info.supported_versions) == ["1.0.0"]
    registered = pb.RegistrationStatus(plugin_registered=True)
    ask(at, "NotifyRegistrationStatus", registered)
    assert ask(at, "GetInfo", pb.InfoRequest()).name == "hearth-csi.io", "again after its restart"


@pytest.mark.usefixtures("registrar")
def test_what_kubelet_refuses_appears_anew(at: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = at.stat().st_ctime_ns
    ask(at, "NotifyRegistrationStatus", pb.RegistrationStatus(error="no such version"))
    assert "kubelet refuses hearth-csi.io: no such version" in caplog.text
    eventually(lambda: at.exists() and at.stat().st_ctime_ns != before)
    assert ask(at, "GetInfo", pb.InfoRequest()).name == "hearth-csi.io"


def test_it_is_gone_after_the_end(registrar: Registrar, at: Path) -> None:
    assert registrar.stop(1)
    assert not at.exists()


def test_a_node_registers_itself() -> None:
    with cluster("n1") as made:
        info = ask(made.home / "n1/reg.sock", "GetInfo", pb.InfoRequest())
        assert info.endpoint == f"{made.home}/n1/csi.sock"
