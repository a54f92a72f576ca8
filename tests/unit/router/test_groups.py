"""The GroupController service of the router: to the one node of all volumes, or to none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from csi.router.group_servicer import GroupController
from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from tests.fakes.bench import refused
from tests.fakes.cluster import Cluster, cluster, routed
from tests.fakes.grouping import GroupingMemory
from tests.fakes.memory import MemoryOptions
from tests.unit.router.test_router import create


@pytest.fixture
def made() -> Iterator[Cluster]:
    with cluster() as made:
        for name in ("n1", "n2"):
            options = MemoryOptions(backend_id=f"memory{name}")
            made.boot(name, {"fast": (GroupingMemory, options)})
        yield made


@pytest.fixture
def client(made: Cluster) -> Iterator[Client]:
    with routed(made, "gone") as client:
        yield client


def cut(client: Client, *ids: str) -> pb.VolumeGroupSnapshot:
    request = pb.CreateVolumeGroupSnapshotRequest(name="moment", source_volume_ids=ids)
    found: pb.VolumeGroupSnapshot = client.group_controller.CreateVolumeGroupSnapshot(
        request
    ).group_snapshot
    return found


def test_a_group_lives_where_its_volumes_are(client: Client) -> None:
    ids = [create(client, name, "n2").volume_id for name in ("a", "b")]
    made = cut(client, *ids)
    assert {each.source_volume_id for each in made.snapshots} == set(ids)
    found = client.group_controller.GetVolumeGroupSnapshot(
        pb.GetVolumeGroupSnapshotRequest(group_snapshot_id=made.group_snapshot_id)
    )
    assert found.group_snapshot == made
    listed = client.controller.ListSnapshots(pb.ListSnapshotsRequest()).entries
    assert {each.snapshot.group_snapshot_id for each in listed} == {made.group_snapshot_id}
    client.group_controller.DeleteVolumeGroupSnapshot(
        pb.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=made.group_snapshot_id)
    )
    assert not client.controller.ListSnapshots(pb.ListSnapshotsRequest()).entries


def test_volumes_of_two_nodes_have_no_common_moment(client: Client) -> None:
    first = create(client, "a", "n1").volume_id
    second = create(client, "b", "n2").volume_id
    with refused("FAILED_PRECONDITION", f"{first} on node n1", f"{second} on node n2"):
        cut(client, first, second)


class Restarting:
    """A node that has everything, and restarts whenever it is asked for; the nodes, as far as they go."""

    name = "n1"

    def owner(self, _object_id: str) -> Restarting:
        return Restarting()

    @property
    def peer(self) -> Restarting:
        return self

    def forward(self, method: str, _raw: bytes) -> bytes:
        return method.encode()


def test_a_node_that_restarts_meanwhile_is_one_node() -> None:
    router = GroupController(Restarting(), able=True)  # type: ignore[arg-type]
    request = pb.CreateVolumeGroupSnapshotRequest(name="moment", source_volume_ids=["m.a", "m.b"])
    answered = router.CreateVolumeGroupSnapshot(request, b"")
    assert answered.endswith(b"/CreateVolumeGroupSnapshot")


def test_what_is_gone_is_deleted_if_that_was_said(made: Cluster, client: Client) -> None:
    for identifier in ("no id at all", "gone.moment-1"):
        client.group_controller.DeleteVolumeGroupSnapshot(
            pb.DeleteVolumeGroupSnapshotRequest(group_snapshot_id=identifier)
        )
    with refused("UNAVAILABLE", "no node reports backend away"):
        client.group_controller.DeleteVolumeGroupSnapshot(
            pb.DeleteVolumeGroupSnapshotRequest(group_snapshot_id="away.moment-1")
        )
    with refused("INVALID_ARGUMENT", "source_volume_ids"):
        cut(client)
