"""The Node service's messages: what it asks for, and what it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from csi.node import convert
from csi.node.access import Access
from csi.node.health import Severity, Trouble
from csi.node.mounts import Mounts
from csi.node.servicer import Here, Node, rules
from csi.node.usage import Amount, Use
from csi.spec import csi_pb2 as pb
from drivers.backends import Backend, Backends
from drivers.errors import Invalid, NotFound, OutOfRange, Precondition, Unavailable
from drivers.exec import Host
from drivers.locks import Locks
from drivers.model import Content, Properties, SizeRange, Volume, VolumeId, VolumeMode, VolumeSpec
from tests.fakes.memory import MemoryDriver, MemoryOptions

Mode = pb.VolumeCapability.AccessMode
MOUNT = pb.VolumeCapability.MountVolume(fs_type="xfs", mount_flags=["noatime"])
FILESYSTEM = pb.VolumeCapability(mount=MOUNT, access_mode=Mode(mode=Mode.SINGLE_NODE_WRITER))
DEVICE = pb.VolumeCapability(
    block=pb.VolumeCapability.BlockVolume(),
    access_mode=Mode(mode=Mode.SINGLE_NODE_MULTI_WRITER),
)


@pytest.fixture
def driver() -> MemoryDriver:
    return MemoryDriver("memory", MemoryOptions(), Host())


@pytest.fixture
def node(driver: MemoryDriver, tmp_path: Path) -> Node:
    run, backends = Host(), Backends([Backend(driver)])
    return Node(
        rules(backends, Locks(), Mounts(tmp_path, run), run),
        Here("node-1", {"topology.hearth-csi.io/node": "node-1"}),
    )


def test_each_request_names_the_field_it_lacks(node: Node) -> None:
    stage = {"volume_id": "v", "staging_target_path": "/s", "volume_capability": FILESYSTEM}
    publish = {"volume_id": "v", "target_path": "/t", "volume_capability": FILESYSTEM}
    for method, request, fields in (
        (node.NodeStageVolume, pb.NodeStageVolumeRequest, stage),
        (node.NodePublishVolume, pb.NodePublishVolumeRequest, publish),
        (node.NodeUnstageVolume, pb.NodeUnstageVolumeRequest, {**stage, "volume_capability": None}),
        (
            node.NodeUnpublishVolume,
            pb.NodeUnpublishVolumeRequest,
            {**publish, "volume_capability": None},
        ),
        (
            node.NodeGetVolumeStats,
            pb.NodeGetVolumeStatsRequest,
            {"volume_id": "v", "volume_path": "/"},
        ),
        (node.NodeExpandVolume, pb.NodeExpandVolumeRequest, {"volume_id": "v", "volume_path": "/"}),
        (node.NodeGetVolumeHealth, pb.NodeGetVolumeHealthRequest, {"volume_id": "v"}),
    ):
        given = {key: value for key, value in fields.items() if value is not None}
        for missing in given:
            rest = {key: value for key, value in given.items() if key != missing}
            with pytest.raises(Invalid, match=f"{missing} is missing"):
                method(request(**rest))  # type: ignore[arg-type]


def test_publishing_without_a_staging_path_is_a_precondition(node: Node) -> None:
    with pytest.raises(Precondition, match="staging_target_path is missing"):
        node.NodePublishVolume(
            pb.NodePublishVolumeRequest(
                volume_id="v", target_path="/t", volume_capability=FILESYSTEM
            )
        )


def test_a_capability_becomes_an_access() -> None:
    assert convert.access(FILESYSTEM) == Access(
        VolumeMode.FILESYSTEM, "SINGLE_NODE_WRITER", "xfs", ("noatime",)
    )
    assert convert.access(DEVICE) == Access(VolumeMode.BLOCK, "SINGLE_NODE_MULTI_WRITER")


def test_a_capability_that_says_too_little_or_too_much_is_refused() -> None:
    writer = Mode(mode=Mode.SINGLE_NODE_WRITER)
    group = pb.VolumeCapability.MountVolume(volume_mount_group="1000")
    for capability, said in (
        (pb.VolumeCapability(mount=MOUNT), "access_mode is missing"),
        (pb.VolumeCapability(access_mode=writer), "neither block nor mount"),
        (pb.VolumeCapability(mount=group, access_mode=writer), "volume_mount_group"),
    ):
        with pytest.raises(Invalid, match=said):
            convert.access(capability)


def test_an_access_mode_of_the_future_is_not_possible_here() -> None:
    raw = DEVICE.SerializeToString().replace(b"\x08\x07", b"\x08\x63")
    access = convert.access(pb.VolumeCapability.FromString(raw))
    with pytest.raises(Precondition, match="number 99 is not possible"):
        access.require_possible(_volume())


def test_the_filesystem_is_that_of_the_request_the_volume_or_the_default() -> None:
    def chosen(asked: str, made_for: str) -> str:
        access = Access(VolumeMode.FILESYSTEM, "SINGLE_NODE_WRITER", asked)
        return access.filesystem(_volume(made_for)).value

    assert chosen("", "") == "ext4"
    assert chosen("", "xfs") == chosen("xfs", "") == chosen("xfs", "xfs") == "xfs"
    with pytest.raises(Precondition, match="made for xfs, not for btrfs"):
        chosen("btrfs", "xfs")
    with pytest.raises(Invalid, match="'zfs' is not supported; allowed: ext4, xfs, btrfs"):
        chosen("zfs", "")


def test_a_range_of_capacity_is_checked() -> None:
    assert convert.required_bytes(pb.CapacityRange()) == 0
    assert convert.required_bytes(pb.CapacityRange(required_bytes=5, limit_bytes=5)) == 5
    with pytest.raises(Invalid):
        convert.required_bytes(pb.CapacityRange(required_bytes=-1))
    with pytest.raises(OutOfRange):
        convert.required_bytes(pb.CapacityRange(required_bytes=6, limit_bytes=5))


def test_usage_has_inodes_where_they_are_counted() -> None:
    use = Use(Amount(total=10, available=4, used=6), Amount(total=3, available=2, used=1))
    sizes, inodes = convert.usage(use)
    assert (sizes.total, sizes.available, sizes.used, sizes.unit) == (
        10,
        4,
        6,
        pb.VolumeUsage.BYTES,
    )
    assert (inodes.total, inodes.unit) == (3, pb.VolumeUsage.INODES)
    assert len(convert.usage(Use(Amount(10, 0, 0)))) == 1


def test_a_node_tells_who_it_is_and_what_it_can_do(node: Node) -> None:
    info = node.NodeGetInfo(pb.NodeGetInfoRequest())
    assert info.node_id == "node-1"
    assert info.max_volumes_per_node == 0
    assert dict(info.accessible_topology.segments) == {"topology.hearth-csi.io/node": "node-1"}
    answer = node.NodeGetCapabilities(pb.NodeGetCapabilitiesRequest())
    names = [pb.NodeServiceCapability.RPC.Type.Name(each.rpc.type) for each in answer.capabilities]
    assert names == [
        "STAGE_UNSTAGE_VOLUME",
        "GET_VOLUME_STATS",
        "EXPAND_VOLUME",
        "SINGLE_NODE_MULTI_WRITER",
    ]


def test_health_is_announced_where_alpha_is_allowed(node: Node) -> None:
    alpha = Node(node._rules, Here("n", {}, alpha=True))
    answer = alpha.NodeGetCapabilities(pb.NodeGetCapabilitiesRequest())
    assert len(answer.capabilities) == 6


def test_volumes_that_are_not_known_are_not_found(node: Node) -> None:
    with pytest.raises(NotFound):
        node.NodeGetVolumeStats(pb.NodeGetVolumeStatsRequest(volume_id="no-id", volume_path="/x"))
    with pytest.raises(NotFound):
        node.NodeGetVolumeHealth(pb.NodeGetVolumeHealthRequest(volume_id="memory0.gone"))
    with pytest.raises(Unavailable):
        node.NodeGetVolumeHealth(pb.NodeGetVolumeHealthRequest(volume_id="other.volume"))


def test_a_volume_that_is_not_known_is_that_whatever_its_path(node: Node) -> None:
    path = "some/path"  # what csi-sanity asks with
    stats = pb.NodeGetVolumeStatsRequest(volume_id="unknown", volume_path=path)
    with pytest.raises(NotFound, match="unknown"):
        node.NodeGetVolumeStats(stats)
    grow = pb.NodeExpandVolumeRequest(volume_id="unknown", volume_path=path)
    with pytest.raises(NotFound, match="unknown"):
        node.NodeExpandVolume(grow)


def test_a_backend_that_fell_ill_is_told_of(node: Node, driver: MemoryDriver) -> None:
    volume = driver_volume(node, driver)
    asked = pb.NodeGetVolumeHealthRequest(volume_id=volume.id)
    assert not node.NodeGetVolumeHealth(asked).volume_health.health_statuses
    assert not node.NodeGetStorageHealth(pb.NodeGetStorageHealthRequest()).backend_health
    driver.moods.unhealthy = "a disk is missing"
    (told,) = node.NodeGetVolumeHealth(asked).volume_health.health_statuses
    assert (told.status, told.reason) == (
        pb.VolumeHealthErrorType.Value("INACCESSIBLE"),
        "BackendUnavailable",
    )
    (backend,) = node.NodeGetStorageHealth(pb.NodeGetStorageHealthRequest()).backend_health
    assert backend.status == pb.StorageHealthErrorType.Value("STORAGE_UNREACHABLE")
    assert "a disk is missing" in backend.message


def test_each_severity_has_a_word_for_volumes_and_one_for_backends() -> None:
    troubles = [Trouble(each, "Reason", "message") for each in Severity]
    assert len(convert.volume_health("v", troubles).health_statuses) == len(Severity)
    assert len(convert.storage_health(troubles)) == len(Severity)


def driver_volume(node: Node, driver: MemoryDriver) -> Volume:
    with pytest.raises(NotFound):  # sets the backend up
        node.NodeGetVolumeHealth(pb.NodeGetVolumeHealthRequest(volume_id="memory0.gone"))
    return driver.create_volume(VolumeSpec("any", SizeRange(1 << 20)))


def _volume(fs_type: str = "") -> Volume:
    properties = Properties(fs_type=fs_type)
    return Volume(VolumeId("memory0.v"), 1, 1, Content.BLANK, properties=properties)
