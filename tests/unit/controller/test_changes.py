"""Deleting, growing and validating volumes, through a real socket."""

from __future__ import annotations

from typing import Any

import pytest

from csi.spec import csi_pb2 as pb
from drivers.model import MIB, VolumeId
from tests.fakes.bench import (
    BACKEND,
    LAYOUT,
    Bench,
    block,
    mount,
    refused,
)


class TestDeleteVolume:
    def test_it_is_gone_and_stays_gone(self, one: Bench) -> None:
        made = one.create("v")
        for _ in range(2):
            one.delete(made.volume_id)
        assert one.ids() == []

    @pytest.mark.parametrize("malformed", ["fake", "a/b.c", "a.b/c", ".x", "a.", "a b.c", "ü.x"])
    def test_what_cannot_be_an_id_is_gone(self, one: Bench, malformed: str) -> None:
        one.delete(malformed)

    def test_an_id_of_a_backend_that_nobody_has(self, one: Bench) -> None:
        with refused("UNAVAILABLE", "gone7", "gone7.volume-1"):
            one.delete("gone7.volume-1")

    def test_no_id(self, one: Bench) -> None:
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            one.delete("")

    def test_in_use(self, one: Bench) -> None:
        made = one.create("v")
        one.driver().initialize_connection(VolumeId(made.volume_id))
        with refused("FAILED_PRECONDITION", made.volume_id):
            one.delete(made.volume_id)
        assert one.ids() == [made.volume_id]


class TestExpand:
    def test_it_grows_and_never_shrinks(self, one: Bench) -> None:
        made = one.create("v")
        assert one.expand(made.volume_id, 16 * MIB, 16 * MIB) == 16 * MIB
        assert one.expand(made.volume_id, 16 * MIB) == 16 * MIB
        assert one.expand(made.volume_id, 8 * MIB) == 16 * MIB
        assert one.expand(made.volume_id, 17 * MIB) == 20 * MIB

    def test_the_node_grows_filesystems_only(self, one: Bench) -> None:
        for name, capability, expected in (("v", mount(), True), ("w", block(), False)):
            made = one.create(name, volume_capabilities=[capability])
            request = pb.ControllerExpandVolumeRequest(
                volume_id=made.volume_id,
                capacity_range=pb.CapacityRange(required_bytes=16 * MIB),
                volume_capability=capability,
            )
            answer = one.client.controller.ControllerExpandVolume(request)
            assert answer.node_expansion_required is expected

    def test_out_of_range_leaves_it_as_it_was(self, one: Bench) -> None:
        made = one.create("v")
        with refused("OUT_OF_RANGE", "12582912"):  # 9 MiB become 12 in units of 4
            one.expand(made.volume_id, 9 * MIB, 10 * MIB)
        with refused("OUT_OF_RANGE"):
            one.expand(made.volume_id, 9 * MIB, 8 * MIB)
        with refused("OUT_OF_RANGE"):
            one.expand(made.volume_id, 4 * MIB, 4 * MIB)
        for size in ((1 << 63) - 1, (1 << 63) - MIB):
            with refused("OUT_OF_RANGE", "more than any volume can have"):
                one.expand(made.volume_id, size)
        assert one.driver().get_volume(VolumeId(made.volume_id)).size == 8 * MIB

    def test_no_room(self, one: Bench) -> None:
        made = one.create("v")
        with refused("RESOURCE_EXHAUSTED"):
            one.expand(made.volume_id, 1 << 50)

    def test_invalid_and_not_found(self, one: Bench) -> None:
        controller, made = one.client.controller, one.create("v")
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            one.expand("", 8 * MIB)
        with refused("INVALID_ARGUMENT", "capacity_range is missing"):
            controller.ControllerExpandVolume(
                pb.ControllerExpandVolumeRequest(volume_id=made.volume_id)
            )
        with refused("INVALID_ARGUMENT", "names no size"):
            one.expand(made.volume_id, 0)
        with refused("INVALID_ARGUMENT", "negative"):
            one.expand(made.volume_id, -5)
        for missing in ("memory0.volume-7", "fake-id"):
            with refused("NOT_FOUND", missing):
                one.expand(missing, 8 * MIB)

    @pytest.mark.parametrize("capability", [block(), mount("", "MULTI_NODE_MULTI_WRITER")])
    def test_a_capability_that_the_volume_has_not(
        self, one: Bench, capability: pb.VolumeCapability
    ) -> None:
        request = pb.ControllerExpandVolumeRequest(
            volume_id=one.create("v").volume_id,
            capacity_range=pb.CapacityRange(required_bytes=16 * MIB),
            volume_capability=capability,
        )
        with refused("INVALID_ARGUMENT"):
            one.client.controller.ControllerExpandVolume(request)


class TestValidate:
    def ask(self, running: Bench, volume_id: str, **fields: Any) -> tuple[bool, str]:
        request = pb.ValidateVolumeCapabilitiesRequest(
            **{"volume_id": volume_id, "volume_capabilities": [mount()], **fields}
        )
        answer = running.client.controller.ValidateVolumeCapabilities(request)
        if answer.HasField("confirmed"):
            assert answer.confirmed.volume_capabilities == request.volume_capabilities
            assert dict(answer.confirmed.parameters) == dict(request.parameters)
            assert dict(answer.confirmed.volume_context) == dict(request.volume_context)
        return answer.HasField("confirmed"), answer.message

    def test_what_the_volume_can_do_is_confirmed(self, one: Bench) -> None:
        made = one.create("v", volume_capabilities=[mount("ext4")])
        fields = {"parameters": {LAYOUT: "linear"}, "volume_context": {"a": "b"}}
        assert self.ask(one, made.volume_id, **fields) == (True, "")

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"volume_capabilities": [block()]}, "not a block volume"),
            ({"volume_capabilities": [mount("xfs")]}, "holds ext4, not xfs"),
            ({"volume_capabilities": [mount("", "MULTI_NODE_MULTI_WRITER")]}, "not possible"),
            ({"volume_capabilities": [mount("", "SINGLE_NODE_WRITER", "user=x")]}, "not allowed"),
            ({"parameters": {LAYOUT: "striped"}}, "has layout 'linear', not 'striped'"),
            ({"parameters": {"what": "ever"}}, "'what' is not known"),
            ({"parameters": {BACKEND: "slow"}}, "is on backend 'fast', not on 'slow'"),
            ({"mutable_parameters": {"iops": "5"}}, "'iops' is not known"),
        ],
    )
    def test_what_it_cannot_do_is_not(self, one: Bench, fields: dict[str, Any], words: str) -> None:
        confirmed, message = self.ask(one, one.create("v").volume_id, **fields)
        assert not confirmed
        assert words in message

    def test_codes(self, one: Bench) -> None:
        made = one.create("v")
        with refused("NOT_FOUND", "fake-id"):
            self.ask(one, "fake-id")
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            self.ask(one, "")
        with refused("INVALID_ARGUMENT", "volume_capabilities is missing"):
            self.ask(one, made.volume_id, volume_capabilities=[])
