"""What was brought in is taken back by its name, owner and backend, and no other backend is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from csi.manage.client import ManageClient, connect
from csi.spec import manage_pb2 as pb
from drivers.errors import Exists, NotFound, Unavailable
from drivers.model import MIB
from tests.fakes.adopting import AdoptingDriver
from tests.fakes.bench import Bench, bench
from tests.fakes.memory import MemoryOptions
from tests.fakes.moods import Moods

TWO = {
    "fast": (AdoptingDriver, MemoryOptions()),
    "slow": (AdoptingDriver, MemoryOptions(backend_id="memory1")),
}


class Node:
    """One with two backends, and who asks it."""

    def __init__(self, running: Bench, client: ManageClient) -> None:
        self.running = running
        self.client = client

    def driver(self, name: str) -> AdoptingDriver:
        found = self.running.driver(name)
        assert isinstance(found, AdoptingDriver)
        return found

    def bring_in(self, backend: str = "fast") -> pb.Volume:
        self.driver(backend).lay("data", 8 * MIB)
        return self.client.manage_volume(
            pb.ManageVolumeRequest(
                name="import-1",
                backend=backend,
                reference=pb.Reference(name="data"),
                owner="uid-1",
                properties=pb.Properties(access_modes=["SINGLE_NODE_WRITER"]),
            )
        )

    def take_back(self, backend: str = "fast", **more: Any) -> pb.UnmanageVolumeResponse:
        return self.client.unmanage_volume(
            pb.UnmanageVolumeRequest(brought_in=meant(backend), **more)
        )

    def take_back_snapshot(self, **more: Any) -> pb.UnmanageSnapshotResponse:
        return self.client.unmanage_snapshot(
            pb.UnmanageSnapshotRequest(brought_in=meant("fast"), **more)
        )


def meant(backend: str, owner: str = "uid-1") -> pb.BroughtIn:
    return pb.BroughtIn(name="import-1", owner=owner, backend=backend)


@pytest.fixture
def node() -> Iterator[Node]:
    with bench(TWO) as running, connect(running.endpoint) as client:
        yield Node(running, client)


def test_a_sick_backend_is_in_nobody_elses_way(node: Node) -> None:
    node.bring_in()
    node.driver("slow").moods.unhealthy = "a disk is missing"
    assert node.take_back().reference.name == "data"
    assert node.take_back() == pb.UnmanageVolumeResponse()
    with pytest.raises(Unavailable, match="a disk is missing"):
        node.take_back("slow")


def test_what_is_on_a_backend_that_is_absent_is_not_taken_for_undone() -> None:
    absent = {"slow": Moods(absent=True)}
    with bench(TWO, moods=absent) as running, connect(running.endpoint) as client:
        node = Node(running, client)
        assert node.take_back() == pb.UnmanageVolumeResponse()
        with pytest.raises(Unavailable, match="'slow' is not on this node"):
            node.take_back("slow")
        with pytest.raises(Unavailable, match="'slow' is not on this node"):
            client.unmanage_snapshot(pb.UnmanageSnapshotRequest(brought_in=meant("slow")))


def test_a_namesake_on_another_backend_is_not_meant(node: Node) -> None:
    made = node.bring_in("slow")
    assert node.take_back("fast") == pb.UnmanageVolumeResponse()
    assert node.client.volume(made.id) == made
    with pytest.raises(Exists):
        node.client.unmanage_volume(
            pb.UnmanageVolumeRequest(brought_in=meant("slow", owner="uid-2"))
        )


def test_a_rehearsal_takes_nothing_back(node: Node) -> None:
    made = node.bring_in()
    node.driver("fast").lay("frozen", 8 * MIB, of="data")
    snapshot = node.client.manage_snapshot(
        pb.ManageSnapshotRequest(
            name="import-1", backend="fast", reference=pb.Reference(name="frozen"), owner="uid-1"
        )
    )
    assert node.take_back_snapshot(dry_run=True).reference.name == "frozen"
    assert [each.id for each in node.client.snapshots()] == [snapshot.id]
    assert node.take_back_snapshot().reference.name == "frozen"
    assert node.take_back(dry_run=True, name="elsewhere").reference.name == "elsewhere"
    assert node.client.volume(made.id) == made
    assert node.take_back(name="elsewhere").reference.name == "elsewhere"
    with pytest.raises(NotFound):
        node.take_back(dry_run=True)
    with pytest.raises(NotFound):
        node.take_back_snapshot(dry_run=True)
