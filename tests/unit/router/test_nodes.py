"""Which node has which backend, and what is passed on to it, with connections in memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from typing import ClassVar

import grpc
import pytest

from csi.router.link import Link
from csi.router.nodes import Nodes
from csi.router.servicer import Controller
from csi.rpc.status import Answered
from csi.spec import csi_pb2 as pb
from csi.spec import manage_pb2
from drivers.errors import NotFound, Precondition, Unavailable
from drivers.exec import soon
from tests.fakes.cluster import eventually


class Phone:
    """A connection whose other end is the test: it tells backends, and hears what is passed on."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.heard: list[tuple[str, bytes]] = []
        self.refuses: Exception | None = None
        self.said: SimpleQueue[manage_pb2.WatchBackendsResponse | None] = SimpleQueue()
        self.closed = threading.Event()

    def forward(self, rpc: str, request: bytes) -> bytes:
        self.heard.append((rpc, request))
        if self.refuses:
            raise self.refuses
        return b"the answer"

    def watch(self) -> Iterator[manage_pb2.WatchBackendsResponse]:
        while not self.closed.is_set() and (told := self.said.get()) is not None:
            yield told

    def tells(self, *ids: str, complete: bool = True) -> None:
        self.tells_as(self.name, *ids, complete=complete)

    def tells_as(self, node: str, *ids: str, complete: bool = True) -> None:
        backends = [manage_pb2.Backend(name="fast", id=each) for each in ids]
        told = manage_pb2.WatchBackendsResponse(node=node, backends=backends, complete=complete)
        self.said.put(told)

    def hangs_up(self) -> None:
        self.said.put(None)

    def close(self) -> None:
        self.closed.set()
        self.hangs_up()


class Exchange:
    """All connections that were opened, by node."""

    def __init__(self) -> None:
        self.phones: dict[str, Phone] = {}
        self.now = 0.0
        self.nodes = Nodes(self._connect, lambda: self.now)

    def _connect(self, name: str, address: str) -> Phone:
        self.phones[name] = Phone(name, address)
        return self.phones[name]

    def announce(self, *names: str) -> None:
        self.nodes.announce({name: f"{name}:1" for name in names})

    def connected(self, *names: str) -> bool:
        return {each.name for each in self.nodes.known() if each.connected} == set(names)


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    made = Exchange()
    made.announce("n1", "n2")
    made.phones["n1"].tells("one")
    made.phones["n2"].tells("two")
    eventually(lambda: made.connected("n1", "n2"))
    yield made
    made.nodes.close()


def test_an_address_that_is_another_nodes_by_now_is_not_called(exchange: Exchange) -> None:
    exchange.phones["n1"].tells_as("n2", "two")
    eventually(lambda: exchange.connected("n2"))
    controller = Controller(exchange.nodes, "topology.hearth-csi.io/node", [])
    with pytest.raises(Unavailable, match="node n2 answers there"):
        controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id="one.v"), b"")
    assert exchange.phones["n1"].heard == []


def test_a_request_is_passed_on_byte_for_byte(exchange: Exchange) -> None:
    """Also with fields that this version does not know."""
    controller = Controller(exchange.nodes, "topology.hearth-csi.io/node", [])
    request = pb.DeleteVolumeRequest(volume_id="two.v")
    raw = request.SerializeToString() + b"\xba\x06\x03new"
    assert controller.DeleteVolume(request, raw) == b"the answer"
    assert exchange.phones["n2"].heard == [("/csi.v1.Controller/DeleteVolume", raw)]
    assert not exchange.phones["n1"].heard


def test_calls_are_counted_by_node_method_and_code(exchange: Exchange) -> None:
    controller = Controller(exchange.nodes, "topology.hearth-csi.io/node", [])
    request = pb.DeleteVolumeRequest(volume_id="two.v")
    for _ in range(2):
        controller.DeleteVolume(request, request.SerializeToString())
    exchange.phones["n2"].refuses = Answered(grpc.StatusCode.ABORTED, "another one runs")
    with pytest.raises(Answered):
        controller.DeleteVolume(request, request.SerializeToString())
    exchange.phones["n2"].refuses = KeyError("a bug")
    with pytest.raises(KeyError):
        controller.DeleteVolume(request, request.SerializeToString())
    method = "/csi.v1.Controller/DeleteVolume"
    assert exchange.nodes.calls() == {
        ("n2", method, "OK"): 2,
        ("n2", method, "ABORTED"): 1,
        ("n2", method, "INTERNAL"): 1,
    }
    exchange.announce("n1")
    assert exchange.nodes.calls() == {}


def test_who_is_away_is_told_without_waiting_for_anybody(exchange: Exchange) -> None:
    assert (exchange.nodes.connected(), exchange.nodes.away()) == ([("n1", True), ("n2", True)], [])
    exchange.phones["n1"].hangs_up()
    eventually(lambda: exchange.connected("n2"))
    began = time.monotonic()
    assert [each.name for each in exchange.nodes.away()] == ["n1"]
    assert time.monotonic() - began < 0.5
    exchange.announce("n2")
    assert exchange.nodes.connected() == [("n2", True)]
    assert [each.name for each in exchange.nodes.away()] == ["n1"]
    exchange.now = 301.0
    assert exchange.nodes.away() == []


def test_disks_that_moved_are_found_on_their_new_node(exchange: Exchange) -> None:
    assert exchange.nodes.owner("one.v").name == "n1"
    exchange.phones["n1"].tells()
    exchange.phones["n2"].tells("one", "two")
    eventually(lambda: exchange.nodes.owner("one.v").name == "n2")


def test_of_two_claims_that_of_a_node_that_is_away_does_not_count(exchange: Exchange) -> None:
    exchange.phones["n2"].tells("one", "two")
    eventually(lambda: exchange.nodes.known()[1].has("one"))
    with pytest.raises(Precondition, match="n1 and n2 both report backend one"):
        exchange.nodes.owner("one.v")
    exchange.phones["n1"].hangs_up()
    eventually(lambda: exchange.connected("n2"))
    assert exchange.nodes.owner("one.v").name == "n2"


def test_an_id_is_waited_for_while_a_node_has_not_told_everything(exchange: Exchange) -> None:
    exchange.phones["n1"].tells(complete=False)
    eventually(lambda: not exchange.nodes.known()[0].complete)
    threading.Timer(0.2, exchange.phones["n1"].tells, ["late"]).start()
    assert exchange.nodes.owner("late.v").name == "n1"


def test_an_unknown_id_is_refused_at_once_when_all_have_told(exchange: Exchange) -> None:
    with pytest.raises(Unavailable, match=r"no node reports backend three.*lostBackends"):
        exchange.nodes.owner("three.v")
    with pytest.raises(NotFound):
        exchange.nodes.owner("no id")


def test_a_node_that_is_away_is_named_with_its_volumes(exchange: Exchange) -> None:
    exchange.phones["n1"].hangs_up()
    eventually(lambda: exchange.connected("n2"))
    with soon(0.1), pytest.raises(Unavailable, match=r"one.v is on node n1: node n1 .n1:1. cannot"):
        exchange.nodes.owner("one.v")
    with soon(0.1), pytest.raises(Unavailable, match="node n1"):
        exchange.nodes.everywhere()


def test_a_node_that_is_announced_no_more_is_missed_for_a_while(exchange: Exchange) -> None:
    exchange.announce("n2")
    with pytest.raises(Unavailable, match="node n1"):
        exchange.nodes.everywhere()
    exchange.now = 301.0
    assert [each.name for each in exchange.nodes.everywhere()] == ["n2"]


def test_a_node_with_a_new_address_is_called_there(exchange: Exchange) -> None:
    old = exchange.phones["n1"]
    exchange.nodes.announce({"n1": "elsewhere:1", "n2": "n2:1"})
    assert old.closed.wait(5)
    exchange.phones["n1"].tells("one")
    eventually(lambda: exchange.nodes.owner("one.v").address == "elsewhere:1")


def test_before_the_nodes_are_known_nothing_is_listed_as_empty() -> None:
    nodes = Nodes(Phone)
    with soon(0.1), pytest.raises(Unavailable, match="does not know the nodes yet"):
        nodes.everywhere()
    nodes.announce({})
    assert nodes.everywhere() == []


def test_a_backend_given_up_counts_as_there_while_its_node_is_only_away(exchange: Exchange) -> None:
    controller = Controller(exchange.nodes, "topology.hearth-csi.io/node", [], {"one"})
    exchange.phones["n1"].hangs_up()
    eventually(lambda: exchange.connected("n2"))
    request = pb.DeleteVolumeRequest(volume_id="one.v")
    with soon(0.1), pytest.raises(Unavailable, match=r"one\.v is on node n1"):
        controller.DeleteVolume(request, request.SerializeToString())
    exchange.announce("n2")
    with soon(0.1), pytest.raises(Unavailable, match="not yet: n1"):
        controller.DeleteVolume(request, request.SerializeToString())
    exchange.now = 301.0
    gone = controller.DeleteVolume(request, request.SerializeToString())
    assert gone == pb.DeleteVolumeResponse()


def test_a_backend_given_up_is_lost_when_every_node_has_told(exchange: Exchange) -> None:
    """A router is restarted to learn what is lost, so that nobody has told it anything at first."""
    assert exchange.nodes.is_gone("lost.v", {"lost"})
    exchange.announce("n1", "n2", "n3")
    with soon(0.1), pytest.raises(Unavailable, match=r"router.lostBackends.*not yet: n3"):
        exchange.nodes.is_gone("lost.v", {"lost"})
    exchange.phones["n3"].tells("three", complete=False)
    eventually(lambda: exchange.connected("n1", "n2", "n3"))
    with soon(0.1), pytest.raises(Unavailable, match="not yet: n3"):
        exchange.nodes.is_gone("lost.v", {"lost"})
    exchange.phones["n3"].tells("three", "lost")
    eventually(lambda: exchange.nodes.owner("lost.v").name == "n3")
    assert not exchange.nodes.is_gone("lost.v", {"lost"})


def test_a_node_at_a_new_address_is_asked_again_what_it_has(exchange: Exchange) -> None:
    exchange.nodes.announce({"n1": "elsewhere:1", "n2": "n2:1"})
    with soon(0.1), pytest.raises(Unavailable, match="not yet: n1"):
        exchange.nodes.is_gone("one.v", {"one"})
    exchange.phones["n1"].tells("one")
    eventually(lambda: not exchange.nodes.is_gone("one.v", {"one"}))


def test_before_the_nodes_are_known_nothing_is_lost() -> None:
    with soon(0.1), pytest.raises(Unavailable, match="the nodes are not known yet"):
        Nodes(Phone).is_gone("lost.v", {"lost"})


def test_a_node_is_listened_to_again_after_what_nobody_expected(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Odd(Phone):
        failures: ClassVar = [OSError("the certificate cannot be read")]

        def watch(self) -> Iterator[manage_pb2.WatchBackendsResponse]:
            if self.failures:
                raise self.failures.pop()
            return super().watch()

    phone = Odd("n1", "n1:1")
    link = Link(phone, lambda: None, pause=0.01)
    link.start()
    try:
        phone.tells("one")
        eventually(lambda: link.has("one"))
        assert "OSError: the certificate cannot be read" in caplog.text
        assert link.alive()
    finally:
        link.close()


def test_a_node_that_cannot_be_listened_to_is_begun_anew_later() -> None:
    """A process without room for another thread has it later."""
    troubles = [RuntimeError("can't start new thread")]

    def connect(name: str, address: str) -> Phone:
        if troubles:
            raise troubles.pop()
        return Phone(name, address)

    nodes = Nodes(connect)
    with pytest.raises(RuntimeError):
        nodes.announce({"n1": "n1:1"})
    assert nodes.known() == []
    nodes.announce({"n1": "n1:1"})
    try:
        assert [each.name for each in nodes.known()] == ["n1"]
        assert nodes.alive()
    finally:
        nodes.close()


def test_a_refusal_of_the_connection_is_part_of_the_message() -> None:
    class Broken(Phone):
        def watch(self) -> Iterator[manage_pb2.WatchBackendsResponse]:
            raise Answered(None, "certificate expired")  # type: ignore[arg-type]

    nodes = Nodes(Broken)
    nodes.announce({"n1": "n1:1"})
    try:
        eventually(lambda: "certificate expired" in nodes.known()[0].whereabouts())
    finally:
        nodes.close()
