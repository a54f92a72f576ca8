"""Mutual TLS on real ports: who gets a connection, who may call, and what happens to rotated files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest

from csi.metrics import Metrics
from csi.rpc.client import Client
from csi.rpc.identity import Identity
from csi.rpc.peer import Peer
from csi.rpc.server import Server
from csi.rpc.status import Answered
from csi.rpc.tls import Certificates, Only, TlsPort
from csi.spec import csi_pb2 as pb
from drivers.errors import Invalid, Unavailable
from tests.fakes.certificates import Authority
from tests.fakes.cluster import cluster, eventually, routed
from tests.fakes.services import PLUGIN

PROBE = "/csi.v1.Identity/Probe"
NOTHING = pb.ProbeRequest().SerializeToString()


class Place:
    """A server behind a port, with the certificates for it and for its callers."""

    def __init__(self, home: Path) -> None:
        self.authority = Authority()
        self.home = home
        self.metrics = Metrics("1.2.3")
        self.port = TlsPort("127.0.0.1", 0, Certificates(self.issue("node")))
        names = ["controller.hearth-csi.io", "operator.hearth-csi.io"]
        service = Identity(PLUGIN, lambda: True)
        self.server = Server(self.port, [service], self.metrics, admit=Only(names))
        self.server.start()

    def issue(self, role: str, authority: Authority | None = None) -> Path:
        return (authority or self.authority).issue(self.home / role, f"{role}.hearth-csi.io")

    @contextmanager
    def caller(self, directory: Path, identity: str = "node.hearth-csi.io") -> Iterator[Peer]:
        address = f"127.0.0.1:{self.port.port}"
        peer = Peer("n1", address, Certificates(directory), identity)
        try:
            yield peer
        finally:
            peer.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.server.stop(1)


def refusal(peer: Peer) -> Answered:
    with pytest.raises(Answered) as caught:
        peer.forward(PROBE, NOTHING)
    return caught.value


def test_who_is_allowed_by_name_is_answered(place: Place) -> None:
    for role in ("controller", "operator"):
        with place.caller(place.issue(role)) as peer:
            assert pb.ProbeResponse.FromString(peer.forward(PROBE, NOTHING)).ready.value


def test_a_certificate_of_another_name_is_denied_and_counted(place: Place) -> None:
    with place.caller(place.issue("intruder")) as peer:
        error = refusal(peer)
    assert error.code is grpc.StatusCode.PERMISSION_DENIED
    assert "intruder.hearth-csi.io may not call this" in str(error)
    assert (
        f'hearth_rpc_total{{code="PERMISSION_DENIED",method="{PROBE}"}} 1.0'
        in place.metrics.page().decode()
    )


def test_a_node_opens_nothing_on_a_node(place: Place) -> None:
    with place.caller(place.home / "node") as peer:
        assert refusal(peer).code is grpc.StatusCode.PERMISSION_DENIED


def test_without_a_certificate_the_handshake_fails(place: Place) -> None:
    roots = (place.home / "node/ca.crt").read_bytes()
    options = (("grpc.ssl_target_name_override", "node.hearth-csi.io"),)
    address = f"127.0.0.1:{place.port.port}"
    with (
        grpc.secure_channel(address, grpc.ssl_channel_credentials(roots), options) as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        channel.unary_unary(PROBE)(NOTHING, timeout=5)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "hearth_rpc_total{" not in place.metrics.page().decode()


def test_a_certificate_of_another_authority_gets_no_connection(place: Place) -> None:
    foreign = Authority()
    with place.caller(place.issue("controller", foreign)) as peer:
        assert refusal(peer).code is grpc.StatusCode.UNAVAILABLE


def test_a_server_that_is_no_node_is_not_talked_to(place: Place) -> None:
    with place.caller(place.issue("controller"), "other.hearth-csi.io") as peer:
        error = refusal(peer)
    assert error.code is grpc.StatusCode.UNAVAILABLE
    assert "node n1" in str(error)


def test_rotated_files_are_taken_up_on_both_sides(place: Place) -> None:
    with place.caller(place.issue("controller")) as peer:
        peer.forward(PROBE, NOTHING)
        renewed = Authority()
        place.issue("node", renewed)
        place.issue("controller", renewed)
        peer.forward(PROBE, NOTHING)
        place.issue("controller", Authority())
        assert refusal(peer).code is grpc.StatusCode.UNAVAILABLE
        place.issue("controller", renewed)
        peer.forward(PROBE, NOTHING)


def test_a_port_that_is_taken_is_not_shared(place: Place) -> None:
    port = TlsPort("127.0.0.1", place.port.port, Certificates(place.home / "node"))
    second = Server(port, [Identity(PLUGIN, lambda: True)], Metrics("1.2.3"))
    with pytest.raises(Unavailable, match="cannot listen on 127"):
        second.start()


def test_half_a_rotation_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificates = Certificates(Authority().issue(tmp_path / "tls", "node.x"))
    before = certificates.current()
    key = (Authority().issue(tmp_path / "other", "node.x") / "tls.key").read_bytes()
    (tmp_path / "tls/tls.key").write_bytes(key)
    assert certificates.current() is before
    assert "tls.key is not the key of tls.crt" in caplog.text
    (tmp_path / "tls/tls.key").unlink()
    assert certificates.current() is before
    Authority().issue(tmp_path / "tls", "node.x", days=9)
    assert certificates.current().expires > before.expires


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("tls.crt", None, "tls.crt cannot be read: No such file"),
        ("tls.crt", b"nonsense", "tls.crt holds no certificate in PEM"),
        ("tls.key", b"nonsense", "tls.key holds no private key in PEM"),
        ("ca.crt", b"", "ca.crt holds no certificate in PEM"),
    ],
)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    Authority().issue(tmp_path, "node.x")
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Invalid, match=says):
        Certificates(tmp_path)


def test_kubelets_socket_serves_no_controller_and_the_port_no_node() -> None:
    with cluster("n1") as made, routed(made):
        with Client(f"unix://{made.home}/n1/csi.sock") as client:
            assert client.node.NodeGetInfo(pb.NodeGetInfoRequest()).node_id == "n1"
            with pytest.raises(grpc.RpcError) as caught:
                client.controller.ListVolumes(pb.ListVolumesRequest())
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        certificates = Certificates(made.tls("controller"))
        peer = Peer("n1", made.addresses["n1"], certificates, "node.hearth-csi.io")
        with pytest.raises(Answered) as denied:
            peer.forward("/csi.v1.Node/NodeGetInfo", b"")
        assert denied.value.code is grpc.StatusCode.UNIMPLEMENTED
        peer.close()


def test_a_stream_that_its_caller_leaves_is_counted_as_that() -> None:
    with cluster("n1") as made:
        certificates = Certificates(made.tls("controller"))
        peer = Peer("n1", made.addresses["n1"], certificates, "node.hearth-csi.io")
        assert next(peer.watch()).node == "n1"
        peer.close()
        label = 'code="CANCELLED",method="/hearth.manage.v1.Manage/WatchBackends"'
        eventually(
            lambda: f"hearth_rpc_total{{{label}}} 1.0" in made.nodes["n1"].metrics.page().decode()
        )
