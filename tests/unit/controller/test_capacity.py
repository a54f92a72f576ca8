"""What a scheduler is told about room, through a real socket."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from csi.spec import csi_pb2 as pb
from drivers.model import GIB, MIB
from tests.fakes.bench import (
    BACKEND,
    KEY,
    LAYOUT,
    NODE,
    Bench,
    Options,
    bench,
    block,
    mount,
    refused,
)
from tests.fakes.memory import MemoryDriver, MemoryOptions, PlainDriver


class TestCapacity:
    def test_backends_apart_and_together(self, two: Bench) -> None:
        assert two.capacity(parameters={BACKEND: "slow"}) == (GIB, GIB)
        assert two.capacity(parameters={BACKEND: "fast"}) == (100 * GIB, 100 * GIB)
        assert two.capacity() == (101 * GIB, 100 * GIB)
        two.create("v", 24 * MIB, parameters={BACKEND: "slow"})
        assert two.capacity(parameters={BACKEND: "slow"}) == (GIB - 24 * MIB, GIB - 24 * MIB)

    def test_of_the_layout_that_is_asked_for(self, one: Bench) -> None:
        assert one.capacity(parameters={LAYOUT: "striped"}) == (100 * GIB, 50 * GIB)

    @pytest.mark.parametrize(
        "fields",
        [
            {"parameters": {BACKEND: "gone"}},
            {"volume_capabilities": [mount("", "MULTI_NODE_MULTI_WRITER")]},
            {"volume_capabilities": [mount("zfs")]},
            {"volume_capabilities": [mount(), block()]},
            {"accessible_topology": pb.Topology(segments={KEY: "n2"})},
            {"accessible_topology": pb.Topology(segments={KEY: NODE, "zone": "a"})},
        ],
    )
    def test_filters_that_match_nothing(self, one: Bench, fields: dict[str, Any]) -> None:
        assert one.capacity(**fields) == (0, 0)

    def test_on_this_node(self, one: Bench) -> None:
        here = pb.Topology(segments={KEY: NODE})
        assert one.capacity(accessible_topology=here) == (100 * GIB, 100 * GIB)

    def test_a_parameter_that_no_backend_knows(self, two: Bench) -> None:
        with refused("INVALID_ARGUMENT", "'what' is not known"):
            two.capacity(parameters={"what": "ever"})

    def test_too_little_for_the_filesystem(self) -> None:
        options = MemoryOptions(capacity=200 * MIB)
        with bench({"fast": (MemoryDriver, options)}) as running:
            assert running.capacity(volume_capabilities=[mount("xfs")]) == (200 * MIB, 0)
            fs_type = {"csi.storage.k8s.io/fstype": "xfs"}
            assert running.capacity(parameters=fs_type) == (200 * MIB, 0)
            assert running.capacity(volume_capabilities=[block()]) == (200 * MIB, 200 * MIB)

    @pytest.mark.parametrize("tells", ["unknown", "infinite"])
    def test_words_are_room_without_end(self, tells: str) -> None:
        backends: Options = {
            "fast": (MemoryDriver, MemoryOptions(tells=tells)),  # type: ignore[arg-type]
            "slow": (PlainDriver, MemoryOptions(backend_id="bbb", capacity=GIB)),
        }
        with bench(backends) as running:
            assert running.capacity(parameters={BACKEND: "fast"}) == (1 << 62, 1 << 62)
            assert running.capacity() == (1 << 62, 1 << 62)
            assert running.capacity(parameters={BACKEND: "slow"}) == (GIB, GIB)

    def test_the_least_size_is_an_alpha_field(self, alpha: Bench, one: Bench) -> None:
        request = pb.GetCapacityRequest(volume_capabilities=[mount("xfs")])
        assert alpha.client.controller.GetCapacity(request).minimum_volume_size.value == 300 * MIB
        assert not one.client.controller.GetCapacity(request).HasField("minimum_volume_size")
        smallest = pb.GetCapacityRequest(volume_capabilities=[block()])
        assert alpha.client.controller.GetCapacity(smallest).minimum_volume_size.value == 4 * MIB

    def test_it_answers_while_the_backend_is_busy(self, one: Bench) -> None:
        moods = one.driver().moods
        moods.gate.clear()
        with ThreadPoolExecutor() as pool:
            creation = pool.submit(one.create, "v")
            assert moods.entered.wait(5)
            assert one.capacity() == (100 * GIB, 100 * GIB)
            moods.gate.set()
            assert creation.result(5).capacity_bytes == 8 * MIB

    def test_an_ill_backend_has_none(self, two: Bench) -> None:
        two.driver("fast").moods.unhealthy = two.driver("fast").moods.broken = "a disk is away"
        assert two.capacity(parameters={BACKEND: "fast"}) == (0, 0)
        assert two.capacity() == (GIB, GIB)
