"""Who may call what of a node: by certificates on its port, and by the mode of its socket."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from csi.app.callers import ADMIN, EVERYBODY, IDENTITY, MANAGE, MANAGERS, PEOPLE, ROUTING
from csi.manage.client import connect
from csi.rpc.peer import Peer
from csi.rpc.status import Answered
from csi.rpc.tls import Certificates
from csi.spec import csi_pb2
from csi.spec import manage_pb2 as pb
from drivers.errors import Invalid
from tests.fakes.cluster import DRIVER, Cluster, cluster

CONTROLLER = csi_pb2.DESCRIPTOR.services_by_name["Controller"]
ROLES = (*EVERYBODY, "node", "intruder")


@pytest.fixture(scope="module")
def nodes() -> Iterator[Cluster]:
    with cluster("n1") as made:
        yield made


def code(nodes: Cluster, role: str, path: str) -> str:
    """How an empty request of that role is answered."""
    peer = Peer("n1", nodes.addresses["n1"], Certificates(nodes.tls(role)), f"node.{DRIVER}")
    try:
        if path.endswith("WatchBackends"):
            next(peer.watch())
        elif path.endswith("CreateVolumeFromImage"):
            peer.send(path, iter(()))
        elif path.endswith("CopyVolumeToImage"):
            list(peer.stream(path, b""))
        else:
            peer.forward(path, b"")
    except Answered as error:
        return error.code.name
    finally:
        peer.close()
    return grpc.StatusCode.OK.name


@pytest.mark.parametrize("role", ROLES)
def test_the_manage_service_is_for_those_who_manage(nodes: Cluster, role: str) -> None:
    for method in MANAGE.methods:
        allowed = EVERYBODY if method.name in ROUTING else MANAGERS
        if method.name in PEOPLE:
            allowed = (ADMIN,)
        answered = code(nodes, role, f"/{MANAGE.full_name}/{method.name}")
        assert (answered != "PERMISSION_DENIED") is (role in allowed), method.name


@pytest.mark.parametrize(
    "name", ["RevertVolume", "CopyVolumeToImage", "SnapshotGroup", "DeleteGroupSnapshot"]
)
def test_an_operator_does_nothing_that_kubernetes_has_no_resource_for(
    nodes: Cluster, name: str
) -> None:
    path = f"/{MANAGE.full_name}/{name}"
    assert code(nodes, "operator", path) == "PERMISSION_DENIED"
    assert code(nodes, "admin", path) != "PERMISSION_DENIED"


@pytest.mark.parametrize("role", ROLES)
def test_volumes_are_made_by_the_controller_alone(nodes: Cluster, role: str) -> None:
    for name in ("CreateVolume", "DeleteVolume", "ListVolumes", "GetCapacity"):
        answered = code(nodes, role, f"/{CONTROLLER.full_name}/{name}")
        assert (answered != "PERMISSION_DENIED") is (role == "controller"), name


@pytest.mark.parametrize("role", ROLES)
def test_who_is_there_is_told_to_all_who_may_call_anything(nodes: Cluster, role: str) -> None:
    answered = code(nodes, role, f"/{IDENTITY.full_name}/GetPluginInfo")
    assert answered == ("OK" if role in EVERYBODY else "PERMISSION_DENIED")


def test_root_on_the_node_needs_no_certificate(nodes: Cluster) -> None:
    at = nodes.home / "n1/manage.sock"
    assert stat.S_IMODE(at.stat().st_mode) == 0o600
    with connect(f"unix://{at}") as client:
        assert client.driver_name() == DRIVER
        assert client.backends().node == "n1"
        assert list(client.volumes()) == []


def test_the_socket_serves_no_controller(nodes: Cluster) -> None:
    peer = Peer("n1", f"unix://{nodes.home}/n1/manage.sock", None)
    with pytest.raises(Answered) as refused:
        peer.forward(f"/{CONTROLLER.full_name}/ListVolumes", b"")
    peer.close()
    assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED


def test_an_administrator_asks_from_elsewhere(nodes: Cluster) -> None:
    with connect(nodes.addresses["n1"], nodes.tls("admin"), DRIVER) as client:
        assert [each.name for each in client.backends().backends] == ["fast"]
        data = b"image" * 1000
        with pytest.raises(Invalid, match="64 hex"):
            client.create_from_image(pb.ImageHead(name="v", sha256="0"), iter([data]))


def test_a_port_without_certificates_is_not_asked(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="needs certificates"):
        connect("127.0.0.1:1")
    with pytest.raises(Invalid, match="cannot be read"):
        connect("127.0.0.1:1", tmp_path)
