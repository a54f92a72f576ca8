"""Bringing in what somebody else made, and letting it go, through a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from csi.spec import manage_pb2 as pb
from drivers.errors import AlreadyManaged, Busy, Exists, InUse, Invalid, NotFound, Unmanageable
from drivers.manageable import Hindrance
from drivers.model import MIB, Content, VolumeId
from tests.fakes.management import Management, management

DATA = b"precious" * 512


@pytest.fixture
def node() -> Iterator[Management]:
    with management() as made:
        made.driver.lay("data", 8 * MIB, DATA)
        yield made


def request(name: str = "data", /, **fields: Any) -> pb.ManageVolumeRequest:
    usual: dict[str, Any] = {
        "name": f"import-{name}",
        "reference": pb.Reference(name=name),
        "owner": "uid-1",
        "properties": pb.Properties(access_modes=["SINGLE_NODE_WRITER"], pv_name="pv-1"),
    }
    return pb.ManageVolumeRequest(**{**usual, **fields})


def snapshot_request(name: str = "frozen", /, **fields: Any) -> pb.ManageSnapshotRequest:
    usual: dict[str, Any] = {
        "name": f"import-{name}",
        "reference": pb.Reference(name=name),
        "owner": "uid-1",
    }
    return pb.ManageSnapshotRequest(**{**usual, **fields})


def test_a_volume_is_brought_in_as_it_is(node: Management) -> None:
    made = node.client.manage_volume(request())
    assert node.holds(made.id, len(DATA)) == DATA
    assert (made.size, made.content, made.backend) == (8 * MIB, "adopted", "fast")
    assert (made.owner, made.reference, made.may_be_deleted) == ("uid-1", "data", False)
    assert made.properties.fs_type == "ext4"
    assert node.client.volume(made.id) == made
    assert list(node.client.volumes()) == [made]


def test_the_same_owner_gets_it_again_and_nobody_else(node: Management) -> None:
    made = node.client.manage_volume(request())
    assert node.client.manage_volume(request()) == made
    with pytest.raises(AlreadyManaged, match="uid-1"):
        node.client.manage_volume(request(owner="uid-2", name="other"))


def test_the_backend_is_found_by_its_storage(node: Management) -> None:
    assert node.client.manage_volume(request(storage="vg-memory0", reference=uuid("data"))).id
    with pytest.raises(Invalid, match=r"known: fast \(vg-memory0\)"):
        node.client.manage_volume(request(storage="other"))
    with pytest.raises(Invalid, match="known: fast"):
        node.client.manage_volume(request(backend="slow"))


def uuid(name: str) -> pb.Reference:
    return pb.Reference(uuid=f"uuid-{name}")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"name": ""}, "name is missing"),
        ({"owner": ""}, "owner is missing"),
        ({"reference": pb.Reference()}, "reference is missing"),
        ({"properties": pb.Properties(access_modes=["MULTI_NODE_READER_ONLY"])}, "not possible"),
        ({"properties": pb.Properties(mode="tape")}, "must be filesystem or block"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_makes_no_sense_is_refused(
    node: Management, fields: dict[str, Any], says: str, dry_run: bool
) -> None:
    with pytest.raises(Invalid, match=says):
        node.client.manage_volume(request(dry_run=dry_run, **fields))


@pytest.mark.parametrize("dry_run", [False, True])
def test_what_cannot_be_brought_in_says_why_in_a_word(node: Management, dry_run: bool) -> None:
    node.driver.lay("busy", MIB, open=True)
    with pytest.raises(Unmanageable, match="unmount it") as refused:
        node.client.manage_volume(request("busy", dry_run=dry_run))
    assert refused.value.obstacle.hindrance is Hindrance.OPEN
    with pytest.raises(NotFound):
        node.client.manage_volume(request("nothing", dry_run=dry_run))


def test_a_name_that_is_another_volumes_is_refused(node: Management) -> None:
    node.bench.create("import-data")
    with pytest.raises(Exists):
        node.client.manage_volume(request())


def test_a_rehearsal_changes_nothing(node: Management) -> None:
    foreseen = node.client.manage_volume(request(dry_run=True))
    assert (foreseen.id, foreseen.size, foreseen.properties.fs_type) == ("", 8 * MIB, "ext4")
    assert node.driver.things["data"].id == ""
    made = node.client.manage_volume(request())
    left = node.client.unmanage_volume(
        pb.UnmanageVolumeRequest(volume_id=made.id, name="elsewhere", dry_run=True)
    )
    assert (left.storage, left.reference.name) == ("vg-memory0", "elsewhere")
    assert node.client.volume(made.id) == made
    with pytest.raises(AlreadyManaged):
        node.client.manage_volume(request(owner="uid-2", name="other", dry_run=True))
    assert node.client.manage_volume(request(dry_run=True)) == made


def test_a_volume_is_let_go_of_and_that_again(node: Management) -> None:
    made = node.client.manage_volume(request())
    release = pb.UnmanageVolumeRequest(volume_id=made.id, name="back")
    left = node.client.unmanage_volume(release)
    assert (left.storage, left.reference.name) == ("vg-memory0", "back")
    assert list(node.client.volumes()) == []
    assert not node.client.unmanage_volume(release).HasField("reference")
    release.dry_run = True
    with pytest.raises(NotFound):
        node.client.unmanage_volume(release)


def test_a_volume_in_use_is_not_let_go_of(node: Management) -> None:
    made = node.client.manage_volume(request())
    node.driver.initialize_connection(VolumeId(made.id))
    with pytest.raises(InUse):
        node.client.unmanage_volume(pb.UnmanageVolumeRequest(volume_id=made.id))


def test_what_was_brought_in_is_taken_back_by_its_name_and_owner(node: Management) -> None:
    brought_in = pb.BroughtIn(name="import-data", owner="uid-1")
    take_back = pb.UnmanageVolumeRequest(brought_in=brought_in)
    busy: list[str] = []

    def meanwhile() -> None:
        with pytest.raises(Busy) as refused:
            node.client.unmanage_volume(take_back)
        busy.append(str(refused.value))

    node.driver.meanwhile = meanwhile
    node.client.manage_volume(request())
    assert len(busy) == 1, "nothing was to be seen of it yet, and it was not taken for absent"
    with pytest.raises(Exists):
        node.client.unmanage_volume(
            pb.UnmanageVolumeRequest(brought_in=pb.BroughtIn(name="import-data", owner="uid-2"))
        )
    assert node.client.unmanage_volume(take_back).reference.name == "data"
    assert list(node.client.volumes()) == []
    assert node.client.unmanage_volume(take_back) == pb.UnmanageVolumeResponse()


def test_a_volume_tells_whether_it_is_in_use(node: Management) -> None:
    used, other = node.client.manage_volume(request()), node.image("idle", b"x" * 4 * MIB)
    assert (used.in_use, other.in_use) == (False, False)
    node.driver.initialize_connection(VolumeId(used.id))
    assert {each.id: each.in_use for each in node.client.volumes()} == {
        used.id: True,
        other.id: False,
    }
    assert node.client.volume(used.id).in_use
    assert node.client.manage_volume(request()).in_use
    node.driver.terminate_connection(VolumeId(used.id))
    assert not node.client.volume(used.id).in_use


def test_a_snapshot_comes_after_its_volume_and_goes_before_it(node: Management) -> None:
    node.driver.lay("frozen", 8 * MIB, DATA, of="data")
    with pytest.raises(Unmanageable) as refused:
        node.client.manage_snapshot(snapshot_request())
    assert refused.value.obstacle.hindrance is Hindrance.ORIGIN
    volume = node.client.manage_volume(request())
    foreseen = node.client.manage_snapshot(
        snapshot_request(volume_id=volume.id, dry_run=True, labels={"a": "b"})
    )
    assert (foreseen.id, dict(foreseen.labels)) == ("", {"a": "b"})
    made = node.client.manage_snapshot(snapshot_request(volume_id=volume.id))
    assert (made.volume_id, made.owner, made.reference) == (volume.id, "uid-1", "frozen")
    assert list(node.client.snapshots(volume_id=volume.id)) == [made]
    brought_in = pb.BroughtIn(name="import-frozen", owner="uid-1")
    left = node.client.unmanage_snapshot(pb.UnmanageSnapshotRequest(brought_in=brought_in))
    assert left.reference.name == "frozen"
    assert list(node.client.snapshots()) == []


def test_a_snapshot_of_another_volume_than_was_meant_is_refused(node: Management) -> None:
    node.driver.lay("frozen", 8 * MIB, DATA, of="data")
    node.driver.lay("other", 8 * MIB)
    node.client.manage_volume(request())
    other = node.client.manage_volume(request("other"))
    with pytest.raises(Invalid, match="is a snapshot of data"):
        node.client.manage_snapshot(snapshot_request(volume_id=other.id))
    assert node.driver.things["frozen"].id == ""


def test_what_is_there_is_listed_in_pages_with_reasons(node: Management) -> None:
    node.driver.lay("busy", 16 * MIB, open=True)
    node.driver.lay("frozen", 8 * MIB, of="data")
    for number in range(7):
        node.driver.lay(f"more{number}", MIB)
    found = list(node.client.manageable_volumes(pb.ListManageableRequest(max_entries=2)))
    names = [each.reference.name for each in found]
    assert names == ["busy", "data", *(f"more{number}" for number in range(7))]
    busy, data, *_ = found
    assert (busy.safe, busy.reason, data.safe, data.fs_type) == (False, "open", True, "")
    by_size = node.client.manageable_volumes(pb.ListManageableRequest(sort="size", probe=True))
    assert next(by_size).reference.name == "busy"
    assert next(by_size).fs_type == "ext4"
    [frozen] = node.client.manageable_snapshots(pb.ListManageableRequest())
    assert (frozen.reason, frozen.origin.name) == ("unmanaged-origin", "data")
    with pytest.raises(Invalid, match="must be name or size"):
        list(node.client.manageable_volumes(pb.ListManageableRequest(sort="age")))


def test_what_was_never_finished_is_an_orphan(node: Management) -> None:
    assert list(node.client.orphans()) == []
    node.driver.lay("halfway", MIB, unfinished=True)
    with pytest.raises(Invalid, match="there is no backend 'slow'; those of this node are: fast"):
        list(node.client.orphans("slow"))
    [orphan] = node.client.orphans("fast")
    assert (orphan.reference.name, orphan.reason, orphan.size) == ("halfway", "unfinished", MIB)


def test_part_of_an_image_is_told_by_the_name_that_it_has(node: Management) -> None:
    made = node.client.manage_volume(request())
    volume = node.driver.get_volume(VolumeId(made.id))
    part = replace(volume.properties, image="0" * 64)
    node.driver._volumes.keep(replace(volume, properties=part, content=Content.BLANK))
    [orphan] = node.client.orphans()
    assert (orphan.id, orphan.reference.name, orphan.reason) == (made.id, "data", "partial")


def test_backends_tell_their_storage_and_that_something_changed(node: Management) -> None:
    [before] = node.client.backends().backends
    assert before.storage == "vg-memory0"
    node.client.manage_volume(request())
    [after] = node.client.backends().backends
    assert after.revision != before.revision


def test_a_warning_of_the_driver_reaches_whoever_watches(node: Management) -> None:
    node.driver.moods.told = {"warning": "above its watermark", "revision": "r7"}
    [backend] = node.client.backends().backends
    assert (backend.warning, backend.revision) == ("above its watermark", "r7")


def test_a_volume_goes_back_to_its_snapshot(node: Management) -> None:
    volume = node.client.manage_volume(request())
    snapshot = node.bench.client.controller.CreateSnapshot(
        _cut(volume.id, "cut")
    ).snapshot.snapshot_id
    with node.driver._volumes.get(volume.id).bytes.path.open("r+b") as file:
        file.write(b"spoilt")
    revert = pb.RevertVolumeRequest(volume_id=volume.id, snapshot_id=snapshot, dry_run=True)
    node.client.revert_volume(revert)
    assert node.holds(volume.id, 6) == b"spoilt"
    node.driver.initialize_connection(VolumeId(volume.id))
    with pytest.raises(InUse, match="is open"):
        node.client.revert_volume(revert)
    node.driver.terminate_connection(VolumeId(volume.id))
    revert.dry_run = False
    assert node.client.revert_volume(revert).id == volume.id
    assert node.holds(volume.id, len(DATA)) == DATA
    other = node.bench.create("other")
    revert.volume_id, revert.dry_run = other.volume_id, True
    with pytest.raises(Invalid, match="is not one of volume"):
        node.client.revert_volume(revert)


def _cut(volume_id: str, name: str) -> Any:
    from csi.spec import csi_pb2

    return csi_pb2.CreateSnapshotRequest(source_volume_id=volume_id, name=name)
