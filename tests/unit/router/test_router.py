"""The router between real processes' parts: what is passed on, to whom, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from drivers.model import GIB, MIB
from tests.fakes.bench import KEY, NO_TOKEN, refused, wanted
from tests.fakes.cluster import Cluster, cluster, eventually, routed
from tests.fakes.memory import MemoryDriver, MemoryOptions


@pytest.fixture
def made() -> Iterator[Cluster]:
    with cluster("n1", "n2", "n3") as made:
        yield made


@pytest.fixture
def client(made: Cluster) -> Iterator[Client]:
    with routed(made) as client:
        yield client


def at(*nodes: str) -> pb.TopologyRequirement:
    topologies = [pb.Topology(segments={KEY: node}) for node in nodes]
    return pb.TopologyRequirement(requisite=topologies, preferred=topologies)


def create(client: Client, name: str, *nodes: str, size: int = 8 * MIB) -> pb.Volume:
    requirement = {"accessibility_requirements": at(*nodes)} if nodes else {}
    volume: pb.Volume = client.controller.CreateVolume(wanted(name, size, **requirement)).volume
    return volume


def where(volume: pb.Volume) -> str:
    return str(volume.accessible_topology[0].segments[KEY])


def delete(client: Client, volume_id: str) -> None:
    client.controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id=volume_id))


def test_a_volume_lives_on_the_node_of_its_topology(client: Client) -> None:
    volumes = {node: create(client, f"on {node}", node) for node in ("n1", "n2", "n3")}
    assert {node: where(volume) for node, volume in volumes.items()} == {
        "n1": "n1",
        "n2": "n2",
        "n3": "n3",
    }
    listed = client.controller.ListVolumes(pb.ListVolumesRequest())
    assert {each.volume.volume_id for each in listed.entries} == {
        volume.volume_id for volume in volumes.values()
    }
    for volume in volumes.values():
        delete(client, volume.volume_id)
    assert not client.controller.ListVolumes(pb.ListVolumesRequest()).entries


def test_a_volume_grows_and_is_snapshotted_where_it_is(client: Client) -> None:
    volume = create(client, "v", "n2")
    grown = client.controller.ControllerExpandVolume(
        pb.ControllerExpandVolumeRequest(
            volume_id=volume.volume_id, capacity_range=pb.CapacityRange(required_bytes=16 * MIB)
        )
    )
    assert grown.capacity_bytes == 16 * MIB
    snapshot = client.controller.CreateSnapshot(
        pb.CreateSnapshotRequest(name="s", source_volume_id=volume.volume_id)
    ).snapshot
    by_id = client.controller.ListSnapshots(
        pb.ListSnapshotsRequest(snapshot_id=snapshot.snapshot_id)
    )
    assert [each.snapshot.source_volume_id for each in by_id.entries] == [volume.volume_id]
    everywhere = client.controller.ListSnapshots(pb.ListSnapshotsRequest())
    assert len(everywhere.entries) == 1
    client.controller.DeleteSnapshot(pb.DeleteSnapshotRequest(snapshot_id=snapshot.snapshot_id))
    assert not client.controller.ListSnapshots(pb.ListSnapshotsRequest()).entries


def test_a_retry_finds_the_volume_though_another_node_has_more_room_now(made: Cluster) -> None:
    """The answer is lost, the room changes, the controller is another: one volume."""
    with routed(made) as client:
        first = create(client, "v")
        create(client, "filler", where(first), size=50 * GIB)
    with routed(made, replica="b") as client:
        other = create(client, "other")
        assert where(other) != where(first), "the room is elsewhere now"
        assert create(client, "v").volume_id == first.volume_id


def test_a_copy_is_made_at_its_source_or_the_message_says_where(client: Client) -> None:
    volume = create(client, "v", "n2")
    source = pb.VolumeContentSource(
        volume=pb.VolumeContentSource.VolumeSource(volume_id=volume.volume_id)
    )
    copy = client.controller.CreateVolume(wanted("c", volume_content_source=source)).volume
    assert where(copy) == "n2"
    elsewhere = wanted("d", volume_content_source=source, accessibility_requirements=at("n1"))
    with refused("RESOURCE_EXHAUSTED", "is on node n2,", "not on n1:", "Immediate"):
        client.controller.CreateVolume(elsewhere)


def test_a_node_without_room_is_passed_over_for_the_next(made: Cluster, client: Client) -> None:
    made.boot("tiny", {"fast": (MemoryDriver, MemoryOptions("memorytiny", capacity=8 * MIB))})
    assert where(create(client, "v", "tiny", "n3", size=16 * MIB)) == "n3"
    with refused("RESOURCE_EXHAUSTED"):
        create(client, "w", "tiny", size=16 * MIB)


def test_a_node_that_is_away_is_unavailable_and_comes_back(made: Cluster, client: Client) -> None:
    volume = create(client, "v", "n1")
    driver = made.driver("n1")
    made.kill("n1")
    with refused("UNAVAILABLE", "n1"):
        delete(client, volume.volume_id)
    with refused("UNAVAILABLE", "n1"):
        client.controller.ListVolumes(pb.ListVolumesRequest())
    with refused("UNAVAILABLE", "n1"):
        create(client, "w")
    assert where(create(client, "x", "n2")) == "n2"
    made.boot("n1", {"fast": (MemoryDriver, driver.options)})
    eventually(lambda: _deleted(client, volume.volume_id))


def _deleted(client: Client, volume_id: str) -> bool:
    try:
        delete(client, volume_id)
    except grpc.RpcError:
        return False
    return True


def test_what_is_no_id_is_deleted_and_what_is_lost_only_if_that_is_said(made: Cluster) -> None:
    with routed(made) as client:
        delete(client, "no id at all")
        with refused("UNAVAILABLE", "no node reports backend gone"):
            delete(client, "gone.volume-1")
    with routed(made, "gone", replica="b") as client:
        delete(client, "gone.volume-1")


def test_a_backend_that_two_nodes_report_is_nobodys(made: Cluster, client: Client) -> None:
    volume = create(client, "v", "n1")
    twin = MemoryOptions(backend_id="memoryn1")
    made.boot("n4", {"fast": (MemoryDriver, twin)})
    eventually(lambda: _refusal(client, volume.volume_id))
    with refused("FAILED_PRECONDITION", "n1 and n4 both report backend memoryn1"):
        delete(client, volume.volume_id)


def _refusal(client: Client, volume_id: str) -> bool:
    request = pb.ControllerExpandVolumeRequest(
        volume_id=volume_id, capacity_range=pb.CapacityRange(required_bytes=8 * MIB)
    )
    try:
        client.controller.ControllerExpandVolume(request)
    except grpc.RpcError:
        return True
    return False


def test_pages_go_on_over_all_nodes(made: Cluster, client: Client) -> None:
    made_ids = {
        create(client, f"{node} {n}", node).volume_id for node in made.nodes for n in (1, 2)
    }
    seen: list[str] = []
    token = ""
    while True:
        page = client.controller.ListVolumes(
            pb.ListVolumesRequest(max_entries=1, starting_token=token)
        )
        seen += [each.volume.volume_id for each in page.entries]
        if not (token := page.next_token):
            break
    assert sorted(seen) == sorted(made_ids)
    with refused("ABORTED", "no token of this list"):
        client.controller.ListVolumes(pb.ListVolumesRequest(starting_token=NO_TOKEN))


def test_capacity_is_told_by_node_and_summed_without_one(made: Cluster, client: Client) -> None:
    one = client.controller.GetCapacity(
        pb.GetCapacityRequest(accessible_topology=pb.Topology(segments={KEY: "n1"}))
    )
    together = client.controller.GetCapacity(pb.GetCapacityRequest())
    assert one.available_capacity > 0
    assert together.available_capacity == 3 * one.available_capacity
    with refused("UNAVAILABLE", "no Hearth runs on node n9"):
        client.controller.GetCapacity(
            pb.GetCapacityRequest(accessible_topology=pb.Topology(segments={KEY: "n9"})), timeout=1
        )


def test_the_capabilities_are_there_before_any_node_is() -> None:
    with cluster() as made, routed(made) as client:
        assert client.identity.Probe(pb.ProbeRequest()).ready.value
        request = pb.ControllerGetCapabilitiesRequest()
        assert len(client.controller.ControllerGetCapabilities(request).capabilities) >= 8
        assert client.identity.GetPluginInfo(pb.GetPluginInfoRequest()).name == "hearth-csi.io"
        with refused("UNAVAILABLE", "no node of Hearth"):
            client.controller.CreateVolume(wanted("v"), timeout=2)


def test_two_controllers_at_once_make_each_volume_once(made: Cluster) -> None:
    names = [f"v{number}" for number in range(12)]
    with routed(made, replica="a") as one, routed(made, replica="b") as two:

        def until_made(client: Client, name: str) -> str:
            while True:
                try:
                    return create(client, name, "n2", "n1", "n3").volume_id
                except grpc.RpcError as error:
                    if error.code() is not grpc.StatusCode.ABORTED:
                        raise

        calls = [(client, name) for name in names for client in (one, two)]
        with ThreadPoolExecutor(8) as callers:
            ids = list(callers.map(lambda call: until_made(*call), calls))
        assert ids[::2] == ids[1::2], "both are told the same volume"
        assert len(set(ids)) == len(names)
        listed = two.controller.ListVolumes(pb.ListVolumesRequest()).entries
        assert {each.volume.volume_id for each in listed} == set(ids)


def test_a_call_for_a_name_in_work_elsewhere_makes_no_second_volume(made: Cluster) -> None:
    """The first controller's call is still at work on the node when the next asks."""
    with routed(made, replica="a") as one, routed(made, replica="b") as two:
        driver = made.driver("n1")
        driver.moods.gate.clear()
        with ThreadPoolExecutor(1) as callers:
            first = callers.submit(create, one, "v", "n1")
            assert driver.moods.entered.wait(5)
            with refused("ABORTED", "name:v"):
                create(two, "v", "n2", "n1")
            driver.moods.gate.set()
            assert where(first.result()) == "n1"
        assert where(create(two, "v", "n2", "n1")) == "n1", "the preferred node is another one"
