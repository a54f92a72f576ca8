"""CreateVolume through a real socket: every answer and every code that CSI asks for."""

from __future__ import annotations

from typing import Any

import pytest

from csi.spec import csi_pb2 as pb
from drivers.model import GIB, MIB, Content, VolumeId
from tests.fakes.bench import (
    BACKEND,
    KEY,
    LAYOUT,
    NODE,
    Bench,
    bench,
    block,
    from_snapshot,
    mount,
    refused,
    wanted,
)
from tests.fakes.memory import MemoryOptions, PlainDriver


class TestCapabilities:
    def test_they_follow_from_the_drivers_installed(self, one: Bench) -> None:
        assert one.announced() == {
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
        assert alpha.announced() - one.announced() == {
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
        assert len(one.ids()) == 1

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
        assert one.ids() == []

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
        assert one.ids() == []

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
        rounded = pb.CapacityRange(required_bytes=5 * MIB, limit_bytes=8 * MIB)
        made = one.create("v", capacity_range=rounded)
        assert one.create("v", capacity_range=rounded).volume_id == made.volume_id
        one.expand(made.volume_id, 40 * MIB)
        assert one.create("v", 5 * MIB).volume_id == made.volume_id

    def test_what_has_grown_above_the_limit_is_another_size(self, one: Bench) -> None:
        size = pb.CapacityRange(required_bytes=5 * MIB, limit_bytes=8 * MIB)
        made = one.create("v", capacity_range=size)
        one.expand(made.volume_id, 40 * MIB)
        with refused("ALREADY_EXISTS", made.volume_id, str(40 * MIB), str(8 * MIB)):
            one.create("v", capacity_range=size)

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
        assert len(one.ids()) == 2


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
