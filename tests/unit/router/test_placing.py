"""Where a volume is made when nodes have different backends, as groups of nodes do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from csi.controller.parameters import BACKEND
from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from drivers.model import GIB, MIB
from tests.fakes.bench import refused, wanted
from tests.fakes.cluster import Cluster, cluster, eventually, routed
from tests.fakes.memory import MemoryDriver, MemoryOptions
from tests.unit.router.test_router import at, where


@pytest.fixture
def made() -> Iterator[Cluster]:
    """n1 has ``fast`` and little room, n2 has ``slow`` and much."""
    with cluster() as made:
        fast = MemoryOptions(backend_id="memoryn1", capacity=GIB)
        made.boot("n1", {"fast": (MemoryDriver, fast)})
        made.boot("n2", {"slow": (MemoryDriver, MemoryOptions(backend_id="memoryn2"))})
        yield made


@pytest.fixture
def client(made: Cluster) -> Iterator[Client]:
    """Of a controller that has heard both nodes."""
    with routed(made) as client:
        eventually(lambda: client.controller.ListVolumes(pb.ListVolumesRequest()) is not None)
        yield client


def create(client: Client, name: str, backend: str, *nodes: str, size: int = 8 * MIB) -> pb.Volume:
    fields = {"accessibility_requirements": at(*nodes)} if nodes else {}
    request = wanted(name, size, parameters={BACKEND: backend}, **fields)
    volume: pb.Volume = client.controller.CreateVolume(request).volume
    return volume


def test_a_node_without_the_backend_is_not_asked_to_make_the_volume(client: Client) -> None:
    assert where(create(client, "a", "fast", "n2", "n1")) == "n1"
    assert where(create(client, "b", "slow", "n1", "n2")) == "n2"
    assert where(create(client, "c", "fast")) == "n1"


def test_a_full_backend_is_not_hidden_by_a_node_that_has_another(client: Client) -> None:
    with refused("RESOURCE_EXHAUSTED"):
        create(client, "a", "fast", size=2 * GIB)


def test_a_topology_without_the_backend_is_told_where_it_is(client: Client) -> None:
    with refused("RESOURCE_EXHAUSTED", "backend 'fast' is on n1, not on n2"):
        create(client, "a", "fast", "n2")


def test_preferred_nodes_without_required_ones_are_tried_first_and_in_order(
    made: Cluster, client: Client
) -> None:
    """CSI: requisite may be absent; then nothing is forbidden, and what is preferred comes first."""
    made.boot("n3", {"fast": (MemoryDriver, MemoryOptions(backend_id="memoryn3"))})
    eventually(lambda: client.controller.ListVolumes(pb.ListVolumesRequest()) is not None)
    assert where(prefer(client, "a", "n1", "n3")) == "n1", "n3 has more room"
    assert where(prefer(client, "b", "n1", size=2 * GIB)) == "n3", "n1 is too small"


def test_a_copy_is_made_at_its_source_though_another_node_is_preferred(client: Client) -> None:
    original = create(client, "a", "fast", "n1")
    source = pb.VolumeContentSource.VolumeSource(volume_id=original.volume_id)
    content = pb.VolumeContentSource(volume=source)
    assert where(prefer(client, "b", "n2", volume_content_source=content)) == "n1"


def prefer(client: Client, name: str, *nodes: str, size: int = 8 * MIB, **fields: Any) -> pb.Volume:
    preferred = pb.TopologyRequirement(preferred=at(*nodes).preferred)
    given = {"accessibility_requirements": preferred, "parameters": {BACKEND: "fast"}, **fields}
    volume: pb.Volume = client.controller.CreateVolume(wanted(name, size, **given)).volume
    return volume


def test_a_name_that_no_node_knows_is_refused_with_those_there_are(client: Client) -> None:
    for nodes in ((), ("n2", "n1"), ("n2",)):
        with refused("INVALID_ARGUMENT", "'fats' is not a backend of node n", "; allowed: "):
            create(client, "a", "fats", *nodes)
