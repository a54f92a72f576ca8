"""The Controller service through a real socket: every answer and every code that CSI asks for."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from drivers.model import GIB, MIB, Content, VolumeId
from tests.fakes.bench import (
    KEY,
    NODE,
    Bench,
    Options,
    bench,
    block,
    from_snapshot,
    from_volume,
    mount,
    refused,
    wanted,
)
from tests.fakes.memory import MemoryDriver, MemoryOptions, PlainDriver

Rpc = pb.ControllerServiceCapability.RPC
TWO: Options = {
    "fast": (MemoryDriver, MemoryOptions(backend_id="aaa")),
    "slow": (PlainDriver, MemoryOptions(backend_id="bbb", capacity=GIB)),
}
BACKEND = "hearth-csi.io/backend"
LAYOUT = "hearth-csi.io/layout"
GARBAGE = "invalid-token"


@pytest.fixture
def one() -> Iterator[Bench]:
    with bench() as running:
        yield running


@pytest.fixture
def two() -> Iterator[Bench]:
    with bench(TWO) as running:
        yield running


@pytest.fixture
def alpha() -> Iterator[Bench]:
    with bench(alpha=True) as running:
        yield running


def announced(running: Bench) -> set[str]:
    response = running.client.controller.ControllerGetCapabilities(
        pb.ControllerGetCapabilitiesRequest()
    )
    return {Rpc.Type.Name(each.rpc.type) for each in response.capabilities}


def capacity(running: Bench, **fields: Any) -> tuple[int, int]:
    response = running.client.controller.GetCapacity(pb.GetCapacityRequest(**fields))
    return response.available_capacity, response.maximum_volume_size.value


def expand(running: Bench, volume_id: str, required: int, limit: int = 0) -> int:
    request = pb.ControllerExpandVolumeRequest(
        volume_id=volume_id,
        capacity_range=pb.CapacityRange(required_bytes=required, limit_bytes=limit),
    )
    size: int = running.client.controller.ControllerExpandVolume(request).capacity_bytes
    return size


def delete(running: Bench, volume_id: str) -> None:
    running.client.controller.DeleteVolume(pb.DeleteVolumeRequest(volume_id=volume_id))


def ids(running: Bench, **fields: Any) -> list[str]:
    response = running.client.controller.ListVolumes(pb.ListVolumesRequest(**fields))
    return [each.volume.volume_id for each in response.entries]


def snapshot_ids(running: Bench, **fields: Any) -> list[str]:
    response = running.client.controller.ListSnapshots(pb.ListSnapshotsRequest(**fields))
    return [each.snapshot.snapshot_id for each in response.entries]


class TestCapabilities:
    def test_they_follow_from_the_drivers_installed(self, one: Bench) -> None:
        assert announced(one) == {
            "CREATE_DELETE_VOLUME",
            "LIST_VOLUMES",
            "GET_CAPACITY",
            "EXPAND_VOLUME",
            "CREATE_DELETE_SNAPSHOT",
            "LIST_SNAPSHOTS",
            "CLONE_VOLUME",
            "SINGLE_NODE_MULTI_WRITER",
        }

    def test_alpha_ones_only_where_asked_for(self, alpha: Bench, one: Bench) -> None:
        assert announced(alpha) - announced(one) == {
            "GET_VOLUME",
            "GET_SNAPSHOT",
            "GET_VOLUME_HEALTH",
            "LIST_VOLUME_HEALTH",
        }

    def test_what_is_not_announced_is_not_served(self, one: Bench) -> None:
        controller = one.client.controller
        with refused("UNIMPLEMENTED"):
            controller.ControllerGetVolume(pb.ControllerGetVolumeRequest(volume_id="a.b"))
        with refused("UNIMPLEMENTED"):
            controller.ControllerPublishVolume(pb.ControllerPublishVolumeRequest(volume_id="a.b"))
        with refused("UNIMPLEMENTED"):
            controller.ControllerModifyVolume(pb.ControllerModifyVolumeRequest(volume_id="a.b"))


class TestCreateVolume:
    def test_it_says_what_it_made(self, one: Bench) -> None:
        volume = one.create("v", 5 * MIB)
        assert volume.capacity_bytes == 8 * MIB  # rounded up to units of 4 MiB
        assert volume.volume_id.startswith("memory0.")
        assert [dict(each.segments) for each in volume.accessible_topology] == [{KEY: NODE}]
        assert not volume.HasField("content_source")
        kept = one.driver().get_volume(VolumeId(volume.volume_id))
        assert (kept.requested, kept.content) == (5 * MIB, Content.BLANK)

    def test_twice_is_once(self, one: Bench) -> None:
        assert one.create("v") == one.create("v")
        assert len(ids(one)) == 1

    def test_it_keeps_what_a_volume_needs_to_be_known_again(self, one: Bench) -> None:
        metadata = {
            "csi.storage.k8s.io/pvc/name": "data",
            "csi.storage.k8s.io/pvc/namespace": "shop",
            "csi.storage.k8s.io/pv/name": "pvc-1",
            "hearth-csi.io/class": "hearth-thin",
            "hearth-csi.io/mkfs-options": "-m 0",
            LAYOUT: "striped",
        }
        volume = one.create("v", parameters=metadata, volume_capabilities=[mount("ext4")])
        kept = one.driver().get_volume(VolumeId(volume.volume_id))
        properties = kept.properties
        assert (properties.pvc_namespace, properties.pvc_name) == ("shop", "data")
        assert (properties.pv_name, properties.storage_class) == ("pvc-1", "hearth-thin")
        assert (properties.fs_type, properties.mkfs_options) == ("ext4", "-m 0")
        assert properties.access_modes == ("SINGLE_NODE_WRITER",)
        assert kept.options == {"layout": "striped"}

    def test_without_a_size_it_is_a_gibibyte(self, one: Bench) -> None:
        assert one.create("v", capacity_range=None).capacity_bytes == GIB
        small = pb.CapacityRange(limit_bytes=64 * MIB)
        assert one.create("w", capacity_range=small).capacity_bytes == 64 * MIB

    def test_names_of_128_bytes_of_any_unicode(self, one: Bench) -> None:
        names = ["é" * 64, "😀" * 32, "a/b c'\"\\$(x)" + "x" * 116, "-" * 128]
        assert [len(name.encode()) for name in names] == [128] * 4
        made = {one.create(name).volume_id for name in names}
        assert made == {one.create(name).volume_id for name in names}
        assert len(made) == 4
        assert all(len(each) <= 128 for each in made)
        with refused("INVALID_ARGUMENT", "name has 129 bytes"):
            one.create("x" * 129)

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"name": ""}, "name is missing"),
            ({"volume_capabilities": []}, "volume_capabilities is missing"),
            (
                {
                    "volume_capabilities": [
                        pb.VolumeCapability(block=pb.VolumeCapability.BlockVolume())
                    ]
                },
                "no access mode",
            ),
            ({"volume_capabilities": [pb.VolumeCapability()]}, "neither block nor mount"),
            ({"volume_capabilities": [mount(), block()]}, "either a filesystem or a block device"),
            ({"volume_capabilities": [mount("zfs")]}, "'zfs' is not supported; allowed: ext4, xfs"),
            ({"volume_capabilities": [mount("ext4"), mount("xfs")]}, "ext4, xfs"),
            (
                {"volume_capabilities": [mount("", "MULTI_NODE_MULTI_WRITER")]},
                "MULTI_NODE_MULTI_WRITER is not possible",
            ),
            (
                {"volume_capabilities": [mount("", "MULTI_NODE_READER_ONLY")]},
                "MULTI_NODE_READER_ONLY is not possible",
            ),
            (
                {"volume_capabilities": [mount("ext4", "SINGLE_NODE_WRITER", "suid,exec")]},
                "mount_flags",
            ),
            ({"parameters": {"hearth-csi.io/layuot": "thin"}}, "known are: hearth-csi.io/backend"),
            ({"parameters": {"type": "thin"}}, "parameter 'type' is not known"),
            ({"parameters": {LAYOUT: "raid5"}}, "'raid5' is not allowed; allowed: linear, striped"),
            ({"parameters": {"hearth-csi.io/stripes": "9"}}, "stripes"),
            ({"parameters": {"csi.storage.k8s.io/fstype": "ntfs"}}, "allowed: ext4, xfs, btrfs"),
            (
                {"parameters": {BACKEND: "gone"}},
                "'gone' is not a backend of node n1; allowed: fast",
            ),
            (
                {"parameters": {"hearth-csi.io/mkfs-options": "-d /etc"}},
                "'-d' is not allowed for ext4",
            ),
            ({"parameters": {"hearth-csi.io/mkfs-options": "-m '0"}}, "ends nowhere"),
            ({"parameters": {"hearth-csi.io/mkfs-options": "-m 0 " * 60}}, "at most 256 fit"),
            ({"mutable_parameters": {"XXX_FakeKey": "1"}}, "'XXX_FakeKey' is not known"),
            ({"capacity_range": pb.CapacityRange(required_bytes=-1)}, "negative"),
            (
                {"volume_content_source": pb.VolumeContentSource()},
                "neither a snapshot nor a volume",
            ),
            ({"name": "a\x07b"}, "control character U+0007"),
        ],
    )
    def test_invalid_argument(self, one: Bench, fields: dict[str, Any], words: str) -> None:
        with refused("INVALID_ARGUMENT", words):
            one.client.controller.CreateVolume(wanted(**{"name": "v", **fields}))
        assert ids(one) == []

    def test_an_access_mode_of_a_later_protocol(self, one: Bench) -> None:
        later = mount()
        later.access_mode.mode = 42  # type: ignore[assignment]
        with refused("INVALID_ARGUMENT", "access mode 42 is not possible"):
            one.create("v", volume_capabilities=[later])

    def test_a_key_of_another_driver_is_not_known(self) -> None:
        class_ = {"fast": (PlainDriver, MemoryOptions())}
        with bench(class_) as running, refused("INVALID_ARGUMENT", "known are:", LAYOUT):
            running.create("v", parameters={"hearth-csi.io/pool": "x"})

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            (
                {"capacity_range": pb.CapacityRange(required_bytes=9, limit_bytes=8)},
                "9 bytes are required, but only 8 are allowed",
            ),
            (
                {"capacity_range": pb.CapacityRange(required_bytes=5 * MIB, limit_bytes=6 * MIB)},
                "above",
            ),
            (
                {"volume_capabilities": [mount("xfs")]},
                f"{300 * MIB} of the smallest xfs filesystem",
            ),
            ({"volume_capabilities": [mount("btrfs")]}, f"{109 * MIB} of the smallest btrfs"),
            ({"parameters": {"csi.storage.k8s.io/fstype": "xfs"}}, "smallest xfs filesystem"),
            (
                {
                    "capacity_range": pb.CapacityRange(limit_bytes=200 * MIB),
                    "volume_capabilities": [mount("xfs")],
                },
                f"{200 * MIB} bytes are fewer",
            ),
        ],
    )
    def test_out_of_range(self, one: Bench, fields: dict[str, Any], words: str) -> None:
        with refused("OUT_OF_RANGE", words):
            one.client.controller.CreateVolume(wanted("v", **fields))
        assert ids(one) == []

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"size": 12 * MIB}, ["size 8388608", "12582912"]),
            ({"volume_capabilities": [block()]}, ["volume mode 'filesystem'", "'block'"]),
            (
                {"volume_capabilities": [mount("btrfs")], "size": 0},
                ["filesystem 'ext4'", "'btrfs'"],
            ),
            ({"parameters": {LAYOUT: "striped"}}, ["layout 'linear'", "'striped'"]),
            ({"parameters": {"hearth-csi.io/mkfs-options": "-m 1"}}, ["mkfs options"]),
            ({"volume_content_source": from_snapshot("memory0.x")}, ["content source 'none'"]),
            (
                {"capacity_range": pb.CapacityRange(limit_bytes=4 * MIB)},
                ["size 8388608", "4194304"],
            ),
        ],
    )
    def test_already_exists(self, one: Bench, fields: dict[str, Any], words: list[str]) -> None:
        made = one.create("v")
        with refused("ALREADY_EXISTS", "'v'", made.volume_id, *words):
            one.client.controller.CreateVolume(wanted("v", **fields))

    def test_what_has_grown_or_was_rounded_is_still_the_same(self, one: Bench) -> None:
        exact = pb.CapacityRange(required_bytes=5 * MIB, limit_bytes=8 * MIB)
        made = one.create("v", capacity_range=exact)
        expand(one, made.volume_id, 40 * MIB)
        assert one.create("v", capacity_range=exact).volume_id == made.volume_id

    def test_another_size_that_the_volume_has_is_the_same(self, one: Bench) -> None:
        made = one.create("v", 5 * MIB)
        assert one.create("v", 7 * MIB).volume_id == made.volume_id

    def test_the_same_name_on_another_backend(self, two: Bench) -> None:
        two.create("v", parameters={BACKEND: "fast"})
        with refused("ALREADY_EXISTS", "on backend 'fast', not on 'slow'"):
            two.create("v", parameters={BACKEND: "slow"})

    def test_several_backends_need_one_to_be_named(self, two: Bench) -> None:
        with refused("INVALID_ARGUMENT", BACKEND, "is missing", "fast, slow"):
            two.create("v")
        assert two.create("v", parameters={BACKEND: "slow"}).volume_id.startswith("bbb.")

    def test_no_room_means_another_node(self, two: Bench) -> None:
        with refused("RESOURCE_EXHAUSTED", "backend slow"):
            two.create("v", 2 * GIB, parameters={BACKEND: "slow"})

    @pytest.mark.parametrize("mode", ["WRITER", "READER_ONLY", "SINGLE_WRITER", "MULTI_WRITER"])
    def test_all_modes_of_one_node(self, one: Bench, mode: str) -> None:
        one.create("v", volume_capabilities=[mount("", f"SINGLE_NODE_{mode}")])
        one.create("w", volume_capabilities=[block(f"SINGLE_NODE_{mode}")])
        assert len(ids(one)) == 2


class TestTopology:
    def requirement(
        self, *requisite: str, preferred: tuple[str, ...] = ()
    ) -> pb.TopologyRequirement:
        return pb.TopologyRequirement(
            requisite=[pb.Topology(segments={KEY: node}) for node in requisite],
            preferred=[pb.Topology(segments={KEY: node}) for node in preferred],
        )

    def test_one_of_several_nodes_is_ours(self, one: Bench) -> None:
        one.create("v", accessibility_requirements=self.requirement("n0", NODE))
        one.create("w", accessibility_requirements=self.requirement(preferred=("n0",)))
        one.create("x", accessibility_requirements=self.requirement())

    def test_another_node_is_to_be_chosen(self, one: Bench) -> None:
        with refused("RESOURCE_EXHAUSTED", "'v' is wanted on other nodes than n1"):
            one.create("v", accessibility_requirements=self.requirement("n0", "n2"))
        foreign = pb.TopologyRequirement(requisite=[pb.Topology(segments={KEY: NODE, "zone": "a"})])
        with refused("RESOURCE_EXHAUSTED"):
            one.create("v", accessibility_requirements=foreign)

    def test_what_is_here_already_decides(self, one: Bench) -> None:
        made = one.create("v")
        again = one.create("v", accessibility_requirements=self.requirement("n2"))
        assert again == made


class TestContentSource:
    def test_a_restore_and_a_clone_say_where_they_come_from(self, one: Bench) -> None:
        source = one.create("v")
        snapshot = one.snapshot("s", source)
        restored = one.create("r", volume_content_source=from_snapshot(snapshot.snapshot_id))
        cloned = one.create("c", volume_content_source=from_volume(source.volume_id))
        assert restored.content_source == from_snapshot(snapshot.snapshot_id)
        assert cloned.content_source == from_volume(source.volume_id)
        again = one.create("r", volume_content_source=from_snapshot(snapshot.snapshot_id))
        assert again == restored

    def test_it_may_be_larger_and_takes_the_source_s_size_by_default(self, one: Bench) -> None:
        source = from_volume(one.create("v", 2 * GIB).volume_id)
        assert one.create("c", 3 * GIB, volume_content_source=source).capacity_bytes == 3 * GIB
        same = one.create("d", capacity_range=None, volume_content_source=source)
        assert same.capacity_bytes == 2 * GIB

    def test_a_size_that_the_source_was_made_with(self, one: Bench) -> None:
        made = one.create("v", 5 * MIB)  # which became 8
        copy = one.create("c", 5 * MIB, volume_content_source=from_volume(made.volume_id))
        assert copy.capacity_bytes == made.capacity_bytes

    def test_smaller_than_the_source(self, one: Bench) -> None:
        made = one.create("v", 12 * MIB)
        with refused("OUT_OF_RANGE", str(12 * MIB), made.volume_id):
            one.create("c", 8 * MIB, volume_content_source=from_volume(made.volume_id))

    @pytest.mark.parametrize("missing", ["memory0.volume-9", "fake-id", "a/b", "x" * 128])
    def test_a_source_that_is_not_there(self, one: Bench, missing: str) -> None:
        with refused("NOT_FOUND"):
            one.create("c", volume_content_source=from_volume(missing))
        with refused("NOT_FOUND"):
            one.create("c", volume_content_source=from_snapshot(missing))

    def test_a_source_of_another_node(self, one: Bench) -> None:
        with refused("RESOURCE_EXHAUSTED", "snapshot elsewhere.1", "another node"):
            one.create("c", volume_content_source=from_snapshot("elsewhere.1"))

    def test_a_source_that_may_be_here_after_all(self, two: Bench) -> None:
        two.app.backends.by_name["slow"].id = None
        two.driver("slow").moods.unhealthy = "a disk is away"
        two.driver("slow").moods.broken = "a disk is away"
        with refused("UNAVAILABLE", "elsewhere"):
            parameters = {BACKEND: "fast"}
            source = from_snapshot("elsewhere.1")
            two.create("c", parameters=parameters, volume_content_source=source)

    def test_a_source_on_another_backend(self, two: Bench) -> None:
        made = two.create("v", parameters={BACKEND: "slow"})
        with refused("INVALID_ARGUMENT", "on backend 'slow'", f"{BACKEND}: slow"):
            source = from_volume(made.volume_id)
            two.create("c", parameters={BACKEND: "fast"}, volume_content_source=source)

    def test_a_backend_that_cannot(self, two: Bench) -> None:
        made = two.create("v", parameters={BACKEND: "slow"})
        parameters = {BACKEND: "slow"}
        with refused("INVALID_ARGUMENT", "'slow'", "cannot clone volumes"):
            two.create(
                "c", parameters=parameters, volume_content_source=from_volume(made.volume_id)
            )
        with refused("INVALID_ARGUMENT", "'slow'", "cannot make or restore snapshots"):
            two.create("c", parameters=parameters, volume_content_source=from_snapshot("bbb.snap"))

    def test_a_copy_that_takes_long_is_aborted_until_it_is_done(self, one: Bench) -> None:
        source = from_volume(one.create("v", 8 * MIB).volume_id)
        one.driver().moods.copies = 2
        for _ in range(2):
            with refused("ABORTED", "copying"):
                one.create("c", volume_content_source=source)
        assert one.create("c", volume_content_source=source).content_source == source
        assert len(ids(one)) == 2

    def test_a_copy_has_the_filesystem_of_its_source(self, one: Bench) -> None:
        made = one.create("v", GIB, volume_capabilities=[mount("xfs")])
        one.driver().set_content(VolumeId(made.volume_id), Content.FORMATTED)
        source = from_volume(made.volume_id)
        with refused("INVALID_ARGUMENT", "holds xfs"):
            one.create("c", GIB, volume_content_source=source, volume_capabilities=[mount("ext4")])
        copy = one.create("c", GIB, volume_content_source=source)
        kept = one.driver().get_volume(VolumeId(copy.volume_id))
        assert (kept.properties.fs_type, kept.content) == ("xfs", Content.INHERITED)


class TestDeleteVolume:
    def test_it_is_gone_and_stays_gone(self, one: Bench) -> None:
        made = one.create("v")
        for _ in range(2):
            delete(one, made.volume_id)
        assert ids(one) == []

    @pytest.mark.parametrize("malformed", ["fake", "a/b.c", "a.b/c", ".x", "a.", "a b.c", "ü.x"])
    def test_what_cannot_be_an_id_is_gone(self, one: Bench, malformed: str) -> None:
        delete(one, malformed)

    def test_an_id_of_a_backend_that_nobody_has(self, one: Bench) -> None:
        with refused("UNAVAILABLE", "gone7", "gone7.volume-1"):
            delete(one, "gone7.volume-1")

    def test_no_id(self, one: Bench) -> None:
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            delete(one, "")

    def test_in_use(self, one: Bench) -> None:
        made = one.create("v")
        one.driver().initialize_connection(VolumeId(made.volume_id))
        with refused("FAILED_PRECONDITION", made.volume_id):
            delete(one, made.volume_id)
        assert ids(one) == [made.volume_id]


class TestExpand:
    def test_it_grows_and_never_shrinks(self, one: Bench) -> None:
        made = one.create("v")
        assert expand(one, made.volume_id, 16 * MIB, 16 * MIB) == 16 * MIB
        assert expand(one, made.volume_id, 16 * MIB) == 16 * MIB
        assert expand(one, made.volume_id, 8 * MIB) == 16 * MIB
        assert expand(one, made.volume_id, 17 * MIB) == 20 * MIB

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
            expand(one, made.volume_id, 9 * MIB, 10 * MIB)
        with refused("OUT_OF_RANGE"):
            expand(one, made.volume_id, 9 * MIB, 8 * MIB)
        with refused("OUT_OF_RANGE"):
            expand(one, made.volume_id, 4 * MIB, 4 * MIB)
        assert one.driver().get_volume(VolumeId(made.volume_id)).size == 8 * MIB

    def test_no_room(self, one: Bench) -> None:
        made = one.create("v")
        with refused("RESOURCE_EXHAUSTED"):
            expand(one, made.volume_id, 1 << 50)

    def test_invalid_and_not_found(self, one: Bench) -> None:
        controller, made = one.client.controller, one.create("v")
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            expand(one, "", 8 * MIB)
        with refused("INVALID_ARGUMENT", "capacity_range is missing"):
            controller.ControllerExpandVolume(
                pb.ControllerExpandVolumeRequest(volume_id=made.volume_id)
            )
        with refused("INVALID_ARGUMENT", "names no size"):
            expand(one, made.volume_id, 0)
        with refused("INVALID_ARGUMENT", "negative"):
            expand(one, made.volume_id, -5)
        for missing in ("memory0.volume-7", "fake-id"):
            with refused("NOT_FOUND", missing):
                expand(one, missing, 8 * MIB)

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


class TestLists:
    def test_pages_neither_skip_nor_repeat_while_volumes_go(self, two: Bench) -> None:
        for number in range(4):
            two.create(f"f{number}", parameters={BACKEND: "fast"})
            two.create(f"s{number}", parameters={BACKEND: "slow"})
        everything = ids(two)
        first = two.client.controller.ListVolumes(pb.ListVolumesRequest(max_entries=3))
        assert first.next_token
        delete(two, everything[0])
        delete(two, everything[2])  # the very one that the token names
        assert ids(two, starting_token=first.next_token) == everything[3:]
        last = two.client.controller.ListVolumes(pb.ListVolumesRequest(max_entries=6))
        assert (len(last.entries), last.next_token) == (6, "")

    def test_bad_pages(self, one: Bench) -> None:
        for call in (ids, snapshot_ids):
            with refused("ABORTED", f"{GARBAGE!r} is no token"):
                call(one, starting_token=GARBAGE)
            with refused("INVALID_ARGUMENT", "max_entries"):
                call(one, max_entries=-1)

    def test_snapshots_by_volume_and_by_id(self, one: Bench) -> None:
        v, w = one.create("v"), one.create("w")
        made = [one.snapshot(name, v).snapshot_id for name in ("a", "b")]
        other = one.snapshot("c", w).snapshot_id
        assert snapshot_ids(one) == [*made, other]
        assert snapshot_ids(one, source_volume_id=v.volume_id) == made
        assert snapshot_ids(one, snapshot_id=other) == [other]
        assert snapshot_ids(one, snapshot_id=other, source_volume_id=v.volume_id) == []
        assert snapshot_ids(one, max_entries=2) == made
        assert snapshot_ids(one, starting_token=made[1]) == [other]

    @pytest.mark.parametrize("missing", ["fake", "memory0.snapshot-9", "a/b"])
    def test_a_filter_that_matches_nothing(self, one: Bench, missing: str) -> None:
        assert snapshot_ids(one, snapshot_id=missing) == []
        assert snapshot_ids(one, source_volume_id=missing) == []

    def test_a_list_has_no_hole(self, two: Bench) -> None:
        two.create("v", parameters={BACKEND: "fast"})
        two.driver("slow").moods.unhealthy = "a disk is away"
        two.driver("slow").moods.broken = "a disk is away"
        with refused("UNAVAILABLE", "'slow'"):
            ids(two)


class TestCapacity:
    def test_backends_apart_and_together(self, two: Bench) -> None:
        assert capacity(two, parameters={BACKEND: "slow"}) == (GIB, GIB)
        assert capacity(two, parameters={BACKEND: "fast"}) == (100 * GIB, 100 * GIB)
        assert capacity(two) == (101 * GIB, 100 * GIB)
        two.create("v", 24 * MIB, parameters={BACKEND: "slow"})
        assert capacity(two, parameters={BACKEND: "slow"}) == (GIB - 24 * MIB, GIB - 24 * MIB)

    def test_of_the_layout_that_is_asked_for(self, one: Bench) -> None:
        assert capacity(one, parameters={LAYOUT: "striped"}) == (100 * GIB, 50 * GIB)

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
        assert capacity(one, **fields) == (0, 0)

    def test_on_this_node(self, one: Bench) -> None:
        here = pb.Topology(segments={KEY: NODE})
        assert capacity(one, accessible_topology=here) == (100 * GIB, 100 * GIB)

    def test_a_parameter_that_no_backend_knows(self, two: Bench) -> None:
        with refused("INVALID_ARGUMENT", "'what' is not known"):
            capacity(two, parameters={"what": "ever"})

    def test_too_little_for_the_filesystem(self) -> None:
        options = MemoryOptions(capacity=200 * MIB)
        with bench({"fast": (MemoryDriver, options)}) as running:
            assert capacity(running, volume_capabilities=[mount("xfs")]) == (200 * MIB, 0)
            fs_type = {"csi.storage.k8s.io/fstype": "xfs"}
            assert capacity(running, parameters=fs_type) == (200 * MIB, 0)
            assert capacity(running, volume_capabilities=[block()]) == (200 * MIB, 200 * MIB)

    @pytest.mark.parametrize("tells", ["unknown", "infinite"])
    def test_words_are_room_without_end(self, tells: str) -> None:
        backends: Options = {
            "fast": (MemoryDriver, MemoryOptions(tells=tells)),  # type: ignore[arg-type]
            "slow": (PlainDriver, MemoryOptions(backend_id="bbb", capacity=GIB)),
        }
        with bench(backends) as running:
            assert capacity(running, parameters={BACKEND: "fast"}) == (1 << 62, 1 << 62)
            assert capacity(running) == (1 << 62, 1 << 62)
            assert capacity(running, parameters={BACKEND: "slow"}) == (GIB, GIB)

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
            assert capacity(one) == (100 * GIB, 100 * GIB)
            moods.gate.set()
            assert creation.result(5).capacity_bytes == 8 * MIB

    def test_an_ill_backend_has_none(self, two: Bench) -> None:
        two.driver("fast").moods.unhealthy = two.driver("fast").moods.broken = "a disk is away"
        assert capacity(two, parameters={BACKEND: "fast"}) == (0, 0)
        assert capacity(two) == (GIB, GIB)


class TestSnapshots:
    def test_twice_is_once_with_the_same_moment(self, one: Bench) -> None:
        volume = one.create("v")
        first, second = one.snapshot("s", volume), one.snapshot("s", volume)
        assert first == second
        assert first.ready_to_use
        assert first.size_bytes == volume.capacity_bytes
        assert first.source_volume_id == volume.volume_id
        assert first.creation_time.ToSeconds() > 0

    def test_it_keeps_the_sidecar_s_metadata(self, one: Bench) -> None:
        request = pb.CreateSnapshotRequest(
            name="s",
            source_volume_id=one.create("v").volume_id,
            parameters={"csi.storage.k8s.io/volumesnapshot/name": "nightly"},
        )
        one.client.controller.CreateSnapshot(request)
        driver = one.driver()
        assert isinstance(driver, MemoryDriver)
        assert driver.list_snapshots()[0].labels == {"volumesnapshot/name": "nightly"}

    def test_names_of_128_bytes(self, one: Bench) -> None:
        volume = one.create("v")
        names = ["é" * 64, "😀" * 32]
        made = {one.snapshot(name, volume).snapshot_id for name in names}
        assert made == {one.snapshot(name, volume).snapshot_id for name in names}
        assert len(made) == 2

    def test_codes(self, two: Bench) -> None:
        v, w = (two.create(name, parameters={BACKEND: "fast"}) for name in "vw")
        plain = two.create("p", parameters={BACKEND: "slow"})
        made = two.snapshot("s", v)
        with refused("ALREADY_EXISTS", made.snapshot_id, v.volume_id, w.volume_id):
            two.snapshot("s", w)
        with refused("INVALID_ARGUMENT", "'slow'", "cannot make or restore snapshots"):
            two.snapshot("t", plain)
        with refused("INVALID_ARGUMENT", "name is missing"):
            two.snapshot("", v)
        with refused("INVALID_ARGUMENT", "source_volume_id is missing"):
            two.snapshot("t", pb.Volume())
        for missing in ("aaa.volume-9", "fake-id"):
            with refused("NOT_FOUND", missing):
                two.snapshot("t", pb.Volume(volume_id=missing))
        with refused("UNAVAILABLE", "elsewhere"):
            two.snapshot("t", pb.Volume(volume_id="elsewhere.1"))
        request = pb.CreateSnapshotRequest(
            name="t", source_volume_id=v.volume_id, parameters={"how": "fast"}
        )
        with refused("INVALID_ARGUMENT", "'how' is not known"):
            two.client.controller.CreateSnapshot(request)

    def test_no_room(self) -> None:
        with bench({"fast": (MemoryDriver, MemoryOptions(capacity=12 * MIB))}) as running:
            volume = running.create("v", 8 * MIB)
            with refused("RESOURCE_EXHAUSTED"):
                running.snapshot("s", volume)

    def test_deleting(self, two: Bench) -> None:
        volume = two.create("v", parameters={BACKEND: "fast"})
        snapshot = two.snapshot("s", volume)
        call = two.client.controller.DeleteSnapshot
        for gone in (snapshot.snapshot_id, snapshot.snapshot_id, "fake", "bbb.snapshot-1"):
            call(pb.DeleteSnapshotRequest(snapshot_id=gone))
        assert snapshot_ids(two) == []
        with refused("INVALID_ARGUMENT", "snapshot_id is missing"):
            call(pb.DeleteSnapshotRequest())
        with refused("UNAVAILABLE", "elsewhere"):
            call(pb.DeleteSnapshotRequest(snapshot_id="elsewhere.1"))


class TestAlpha:
    def test_get_volume(self, alpha: Bench) -> None:
        call, made = alpha.client.controller.ControllerGetVolume, alpha.create("v")
        answer = call(pb.ControllerGetVolumeRequest(volume_id=made.volume_id))
        assert answer.volume == made
        assert answer.HasField("status")
        with refused("NOT_FOUND", "fake-id"):
            call(pb.ControllerGetVolumeRequest(volume_id="fake-id"))
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            call(pb.ControllerGetVolumeRequest())

    def test_get_snapshot(self, alpha: Bench) -> None:
        call = alpha.client.controller.GetSnapshot
        made = alpha.snapshot("s", alpha.create("v"))
        assert call(pb.GetSnapshotRequest(snapshot_id=made.snapshot_id)).snapshot == made
        with refused("NOT_FOUND", "fake-id"):
            call(pb.GetSnapshotRequest(snapshot_id="fake-id"))
        with refused("INVALID_ARGUMENT", "snapshot_id is missing"):
            call(pb.GetSnapshotRequest())

    def test_health(self, alpha: Bench) -> None:
        controller, moods = alpha.client.controller, alpha.driver().moods
        made = [alpha.create(name).volume_id for name in "vw"]
        request = pb.ControllerGetVolumeHealthRequest(volume_id=made[0])
        assert not controller.ControllerGetVolumeHealth(request).volume_health.health_statuses
        assert not controller.ControllerListVolumeHealth(
            pb.ControllerListVolumeHealthRequest()
        ).entries
        moods.fill = 0.97
        health = controller.ControllerGetVolumeHealth(request).volume_health
        assert [each.reason for each in health.health_statuses] == ["PoolDataNearlyFull"]
        assert health.health_statuses[0].status == pb.DEGRADED
        listed = controller.ControllerListVolumeHealth(
            pb.ControllerListVolumeHealthRequest(max_entries=1)
        )
        assert [each.volume_id for each in listed.entries] == made[:1]
        assert listed.next_token == made[0]
        moods.unhealthy = moods.broken = "a disk is away"
        health = controller.ControllerGetVolumeHealth(request).volume_health
        assert health.health_statuses[0].status == pb.INACCESSIBLE
        assert "a disk is away" in health.health_statuses[0].message

    def test_health_codes(self, alpha: Bench) -> None:
        controller = alpha.client.controller
        with refused("NOT_FOUND", "memory0.volume-9"):
            request = pb.ControllerGetVolumeHealthRequest(volume_id="memory0.volume-9")
            controller.ControllerGetVolumeHealth(request)
        with refused("INVALID_ARGUMENT", "volume_id is missing"):
            controller.ControllerGetVolumeHealth(pb.ControllerGetVolumeHealthRequest())
        with refused("ABORTED", "no token"):
            bad = pb.ControllerListVolumeHealthRequest(starting_token=GARBAGE)
            controller.ControllerListVolumeHealth(bad)


def persist(client: Client) -> str:
    """What a sidecar does: repeat what was aborted, and nothing else."""
    while True:
        try:
            answer = client.controller.CreateVolume(wanted("v"))
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.ABORTED:
                raise
        else:
            return str(answer.volume.volume_id)


class TestConcurrency:
    def test_eight_callers_of_one_name_get_one_volume(self, one: Bench) -> None:
        barrier = threading.Barrier(8)

        def create(_number: int) -> str:
            with Client(one.endpoint) as client:
                barrier.wait(5)
                return persist(client)

        with ThreadPoolExecutor(8) as pool:
            made = set(pool.map(create, range(8)))
        assert len(made) == 1
        assert ids(one) == list(made)

    def test_a_second_call_for_what_is_in_work_is_aborted(self, one: Bench) -> None:
        volume = one.create("v")
        moods = one.driver().moods
        moods.entered.clear()
        moods.gate.clear()
        with ThreadPoolExecutor() as pool:
            growing = pool.submit(expand, one, volume.volume_id, 16 * MIB)
            assert moods.entered.wait(5)
            with refused("ABORTED", volume.volume_id):
                delete(one, volume.volume_id)
            with refused("ABORTED", volume.volume_id):
                one.snapshot("s", volume)
            with refused("ABORTED", volume.volume_id):
                one.create("c", volume_content_source=from_volume(volume.volume_id))
            assert ids(one) == [volume.volume_id]  # reading goes on
            moods.gate.set()
            assert growing.result(5) == 16 * MIB
        delete(one, volume.volume_id)
