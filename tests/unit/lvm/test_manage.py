"""Bringing in what an administrator made, and letting go of it, on the group in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from drivers.errors import (
    AlreadyManaged,
    Busy,
    Exists,
    InUse,
    Invalid,
    NotFound,
    Precondition,
    StorageError,
    Unavailable,
    Unmanageable,
)
from drivers.manageable import AdoptionSpec, Hindrance, Query, Reference, SnapshotAdoptionSpec
from drivers.model import MIB, Adoption, Content, Properties, VolumeMode
from tests.fakes.lvm import FakeLvm, Process
from tests.fakes.lvm.driver import Life, life, lived
from tests.fakes.lvm.state import Logical

OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 8}
SPEC = AdoptionSpec("import", "owner", Properties(pvc_name="data", pvc_namespace="shop"))
BLOCK = replace(SPEC, properties=Properties(mode=VolumeMode.BLOCK))


def by_hand(lvm: FakeLvm, name: str = "data", holds: str = "ext4", kind: str = "linear") -> Logical:
    """A volume of somebody else, inactive."""
    shape = ["--type", kind] if kind != "thin" else []
    if kind == "thin":
        size = ["--activate", "n", "--virtualsize", f"{4 * MIB}b", "--thinpool", "pool"]
    else:
        size = ["--zero", "n", "--wipesignatures", "n", *shape, "--extents", "4"]
    result = lvm.run(["lvm", "lvcreate", "--yes", *size, "--name", name, "--", "vg"])
    assert result.code == 0, result.stderr
    lv = lvm.lv(name)
    lvm.write(lv, holds)
    lvm.state.deactivate(lv)
    return lv


def cut_by_hand(lvm: FakeLvm, origin: str, name: str) -> Logical:
    """A snapshot of somebody else."""
    thick = lvm.lv(origin).type != "thin"
    size = ["--extents", "100%ORIGIN"] if thick else []
    argv = ["lvm", "lvcreate", "--yes", "--snapshot", *size, "--name", name, "--", f"vg/{origin}"]
    result = lvm.run(argv)
    assert result.code == 0, result.stderr
    return lvm.lv(name)


@pytest.fixture
def alive(lvm: FakeLvm) -> Iterator[Life]:
    with life(lvm, **OPTIONS) as one:
        yield one


@pytest.mark.parametrize("kind", ["linear", "raid1", "thin"])
def test_one_command_makes_a_volume_of_it(alive: Life, kind: str) -> None:
    lv = by_hand(alive.lvm, kind=kind)
    before = alive.lvm.content(lv)
    volume = alive.driver.manage_existing(SPEC, Reference("data"))
    assert sum("--addtag" in each for each in alive.process.changes) == 1
    assert lv.name == "data"
    assert alive.lvm.content(lv) == before
    assert alive.lvm.state.device(lv) is None
    assert (volume.size, volume.requested, volume.content) == (4 * MIB, 4 * MIB, Content.ADOPTED)
    assert volume.properties == replace(SPEC.properties, fs_type="ext4")
    assert volume.options["layout"] == kind
    assert volume.adopted == Adoption("data", "owner")
    assert not volume.zeroed
    assert alive.driver.list_volumes() == [volume]
    assert alive.driver.find_volume("import") == alive.driver.get_volume(volume.id) == volume


def test_the_same_owner_finds_its_own_and_nobody_else_does(alive: Life) -> None:
    lv = by_hand(alive.lvm)
    volume = alive.driver.manage_existing(SPEC, Reference("data", lv.uuid))
    del alive.process.changes[:]
    for reference in (Reference("data"), Reference(uuid=lv.uuid.replace("-", ""))):
        assert alive.driver.manage_existing(SPEC, reference) == volume
    alive.lvm.run(["lvm", "lvrename", "--yes", "--", "vg", "data", "renamed"])
    assert alive.driver.manage_existing(SPEC, Reference("data", lv.uuid)).id == volume.id
    with pytest.raises(AlreadyManaged, match="brought in for owner"):
        alive.driver.manage_existing(replace(SPEC, name="another"), Reference("renamed"))
    with pytest.raises(AlreadyManaged, match="brought in for owner"):
        alive.driver.manage_existing(replace(SPEC, owner="another"), Reference("renamed"))
    by_hand(alive.lvm, "other")
    with pytest.raises(Exists, match="not of other"):
        alive.driver.manage_existing(SPEC, Reference("other"))
    assert not [each for each in alive.process.changes if "tag" in each]


def test_a_name_that_a_volume_made_here_has(alive: Life) -> None:
    alive.volume("import")
    by_hand(alive.lvm)
    with pytest.raises(AlreadyManaged, match="which was made here"):
        alive.driver.manage_existing(SPEC, Reference("data"))


@pytest.mark.parametrize(
    ("reference", "error", "words"),
    [
        (Reference(), Invalid, "needs the name or the UUID"),
        (Reference("nothing"), NotFound, "has no logical volume nothing"),
        (Reference(uuid="nothing"), NotFound, "has no logical volume"),
        (Reference("data", "nothing"), NotFound, "another one than was meant"),
        (Reference("vg/data"), NotFound, "has no logical volume"),
    ],
)
def test_references_to_nothing(
    alive: Life, reference: Reference, error: type[StorageError], words: str
) -> None:
    by_hand(alive.lvm)
    for call in (
        lambda: alive.driver.manage_existing(SPEC, reference),
        lambda: alive.driver.manage_existing_get_size(reference),
    ):
        with pytest.raises(error, match=words):
            call()
    assert alive.process.changes == []


def open_it(lvm: FakeLvm) -> None:
    lv = by_hand(lvm)
    lvm.state.activate(lv)
    lvm.device(lv).opened = 1


def of_another(lvm: FakeLvm) -> None:
    by_hand(lvm).tags.add("pve-vm-100")


def in_another_pool(lvm: FakeLvm) -> None:
    lvm.add_pool("second", 4)
    by_hand(lvm, kind="thin").pool = lvm.lv("second").uuid


def read_only(lvm: FakeLvm) -> None:
    by_hand(lvm).read_only = True


def a_snapshot(lvm: FakeLvm) -> None:
    by_hand(lvm, "origin")
    cut_by_hand(lvm, "origin", "data")


def a_thin_snapshot(lvm: FakeLvm) -> None:
    by_hand(lvm, "origin", kind="thin")
    cut_by_hand(lvm, "origin", "data")


def merging(lvm: FakeLvm) -> None:
    by_hand(lvm)
    cut_by_hand(lvm, "data", "cut").merging = True


def another_layout(lvm: FakeLvm) -> None:
    by_hand(lvm).type = "raid6"


REFUSED = {
    "open": (open_it, Hindrance.OPEN),
    "foreign": (of_another, Hindrance.FOREIGN),
    "pool": (in_another_pool, Hindrance.UNKNOWN_POOL),
    "read-only": (read_only, Hindrance.READ_ONLY),
    "snapshot": (a_snapshot, Hindrance.SNAPSHOT),
    "thin-snapshot": (a_thin_snapshot, Hindrance.SNAPSHOT),
    "merging": (merging, Hindrance.MERGING),
    "layout": (another_layout, Hindrance.LAYOUT),
    "empty": (lambda lvm: by_hand(lvm, holds=""), Hindrance.UNKNOWN_FILESYSTEM),
    "swap": (lambda lvm: by_hand(lvm, holds="swap"), Hindrance.UNKNOWN_FILESYSTEM),
    "damaged": (lambda lvm: by_hand(lvm, holds="damaged xfs"), Hindrance.DAMAGED_FILESYSTEM),
}


@pytest.mark.parametrize(("prepare", "hindrance"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_brought_in_stays_as_it_is_and_is_listed_with_the_reason(
    alive: Life, prepare: Any, hindrance: Hindrance
) -> None:
    prepare(alive.lvm)
    lv = alive.lvm.lv("data")
    before = (set(lv.tags), lv.name, alive.lvm.content(lv), alive.lvm.state.device(lv) is None)
    with pytest.raises((InUse, Unmanageable)) as caught:
        alive.driver.manage_existing(SPEC, Reference("data"))
    assert before == (
        set(lv.tags),
        lv.name,
        alive.lvm.content(lv),
        alive.lvm.state.device(lv) is None,
    )
    if isinstance(caught.value, Unmanageable):
        assert caught.value.obstacle.hindrance is hindrance
    else:
        assert hindrance is Hindrance.OPEN
    if hindrance is not Hindrance.SNAPSHOT:
        page = alive.driver.get_manageable_volumes(Query(probe=True))
        (entry,) = (each for each in page.entries if each.reference.name == "data")
        assert not entry.safe
        assert entry.obstacle is not None
        assert entry.obstacle.hindrance is hindrance
        assert entry.obstacle.words in str(caught.value)
    assert before == (
        set(lv.tags),
        lv.name,
        alive.lvm.content(lv),
        alive.lvm.state.device(lv) is None,
    )


def test_parts_are_listed_as_what_they_are(alive: Life) -> None:
    by_hand(alive.lvm, "mirrored", kind="raid1")
    entries = alive.driver.get_manageable_volumes(Query()).entries
    told = {each.reference.name: each.obstacle and each.obstacle.hindrance for each in entries}
    assert told == {
        "mirrored": None,
        "mirrored_rimage_0": Hindrance.RAID_IMAGE,
        "mirrored_rimage_1": Hindrance.RAID_IMAGE,
        "mirrored_rmeta_0": Hindrance.RAID_IMAGE,
        "mirrored_rmeta_1": Hindrance.RAID_IMAGE,
        "pool": Hindrance.POOL,
        "pool_tdata": Hindrance.PART_OF_POOL,
        "pool_tmeta": Hindrance.PART_OF_POOL,
    }
    for name in told.keys() - {"mirrored"}:
        with pytest.raises(Unmanageable):
            alive.driver.manage_existing(SPEC, Reference(name))


def test_the_revision_follows_whoever_changes_the_group(alive: Life) -> None:
    def revision() -> str:
        return alive.driver.get_volume_stats({}, refresh=True).revision

    before = revision()
    assert before
    assert revision() == before
    lv = by_hand(alive.lvm, kind="thin")
    after = revision()
    assert after != before
    alive.lvm.run(["lvm", "lvchange", "--addtag", "mine", "--", f"vg/{lv.name}"])
    assert revision() not in (before, after)


def test_an_open_volume_is_told_as_in_use(alive: Life) -> None:
    volume, _other = alive.volume("used"), alive.volume("idle")
    alive.driver.initialize_connection(volume.id)
    assert list(alive.driver.volumes_in_use()) == []
    alive.lvm.device(alive.lvm.object(volume.id)).opened = 1
    assert list(alive.driver.volumes_in_use()) == [volume.id]
    alive.lvm.device(alive.lvm.object(volume.id)).opened = 0


def test_a_missing_disk_hinders_everything(alive: Life) -> None:
    by_hand(alive.lvm)
    alive.lvm.state.disks["/dev/sdd"].missing = True
    alive.lvm.state.seqno += 1
    (entry,) = (
        each
        for each in alive.driver.get_manageable_volumes(Query(probe=True)).entries
        if each.reference.name == "data"
    )
    assert entry.obstacle is not None
    assert entry.obstacle.hindrance is Hindrance.MISSING_DISK
    with pytest.raises(Unavailable, match="lacks 1 of its disks"):
        alive.driver.manage_existing(SPEC, Reference("data"))


def test_a_block_volume_may_hold_anything(alive: Life) -> None:
    lv = by_hand(alive.lvm, holds="a database")
    volume = alive.driver.manage_existing(BLOCK, Reference("data"))
    assert (volume.properties.mode, volume.properties.fs_type) == (VolumeMode.BLOCK, "")
    assert not [each for each in alive.process.changes if "--activate" in each]
    assert alive.lvm.content(lv) == ["a database"] * 4


def test_another_filesystem_than_asked_for(alive: Life) -> None:
    by_hand(alive.lvm, holds="xfs")
    spec = replace(SPEC, properties=Properties(fs_type="ext4"))
    with pytest.raises(Invalid, match="holds xfs, not ext4"):
        alive.driver.manage_existing(spec, Reference("data"))


def test_it_is_deleted_only_with_leave(alive: Life) -> None:
    lv = by_hand(alive.lvm)
    volume = alive.driver.manage_existing(SPEC, Reference("data"))
    del alive.process.changes[:]
    with pytest.raises(Precondition, match="adopted and is never deleted"):
        alive.driver.delete_volume(volume.id)
    assert alive.process.changes == []
    assert alive.driver.unmanage(volume.id, None) == Reference("data", lv.uuid)
    volume = alive.driver.manage_existing(replace(SPEC, allow_delete=True), Reference("data"))
    alive.driver.delete_volume(volume.id)
    alive.drained()
    assert alive.lvm.names() == []
    assert alive.lvm.old_blocks() == set()


def test_a_snapshot_of_somebody_else_does_not_go_with_its_origin(alive: Life) -> None:
    by_hand(alive.lvm)
    volume = alive.driver.manage_existing(replace(SPEC, allow_delete=True), Reference("data"))
    cut_by_hand(alive.lvm, "data", "theirs")
    with pytest.raises(InUse, match="theirs"):
        alive.driver.delete_volume(volume.id)
    assert alive.lvm.names() == ["data", "theirs"]


def test_a_snapshot_of_somebody_else_is_not_grown_with_its_origin(alive: Life) -> None:
    by_hand(alive.lvm)
    volume = alive.driver.manage_existing(SPEC, Reference("data"))
    theirs = cut_by_hand(alive.lvm, "data", "theirs")
    before = theirs.extents
    with pytest.raises(Precondition, match="bring them in or remove them"):
        alive.driver.extend_volume(volume.id, 8 * MIB)
    assert theirs.extents == before
    alive.driver.manage_existing_snapshot(SnapshotAdoptionSpec("cut", "owner"), Reference("theirs"))
    assert alive.driver.extend_volume(volume.id, 8 * MIB).size == 8 * MIB
    assert theirs.extents > before


def test_letting_go_takes_all_tags_off_and_gives_a_name(alive: Life) -> None:
    lv = by_hand(alive.lvm)
    lv.tags.add("theirs")
    volume = alive.driver.manage_existing(SPEC, Reference("data"))
    assert alive.driver.unmanage(volume.id, "plain") == Reference("plain", lv.uuid)
    assert (lv.name, lv.tags, alive.lvm.content(lv)) == ("plain", {"theirs"}, ["ext4"] * 4)
    assert alive.driver.unmanage(volume.id, "plain") is None
    assert alive.driver.list_volumes() == []
    with pytest.raises(NotFound):
        alive.driver.get_volume(volume.id)
    alive.driver.delete_volume(volume.id)
    assert alive.lvm.names() == ["plain"]


def test_a_volume_made_here_becomes_a_plain_one(alive: Life) -> None:
    volume = alive.volume()
    lv = alive.lvm.object(volume.id)
    assert alive.driver.unmanage(volume.id, None) == Reference(lv.name, lv.uuid)
    assert lv.tags == set()


def test_the_original_name_comes_back_after_a_revert(alive: Life) -> None:
    by_hand(alive.lvm, kind="thin")
    volume = alive.driver.manage_existing(SPEC, Reference("data"))
    snapshot = alive.snapshot(volume)
    assert alive.driver.revert_to_snapshot(volume.id, snapshot.id) == volume
    assert alive.lvm.object(volume.id).name.startswith("vol-")
    alive.driver.delete_snapshot(snapshot.id)
    where = alive.driver.unmanage(volume.id, None)
    assert where is not None
    assert where.name == "data"


@pytest.mark.parametrize("name", ["", "a b", "-a", "..", "snapshot1", "x_rimage_0", "x" * 101])
def test_names_that_lvm_refuses(alive: Life, name: str) -> None:
    by_hand(alive.lvm)
    volume = alive.driver.manage_existing(SPEC, Reference("data"))
    del alive.process.changes[:]
    with pytest.raises(Invalid, match="choose another name"):
        alive.driver.unmanage(volume.id, name)
    by_hand(alive.lvm, "taken")
    with pytest.raises(Exists, match="choose another name"):
        alive.driver.unmanage(volume.id, "taken")
    assert alive.process.changes == []


def test_what_is_used_is_not_let_go(alive: Life) -> None:
    lv = by_hand(alive.lvm)
    volume = alive.driver.manage_existing(SPEC, Reference("data"))
    snapshot = alive.snapshot(volume)
    with pytest.raises(InUse, match=f"has snapshots: delete or release {snapshot.id}"):
        alive.driver.unmanage(volume.id, None)
    alive.driver.delete_snapshot(snapshot.id)
    alive.driver.initialize_connection(volume.id)
    alive.lvm.device(lv).opened = 1
    with pytest.raises(InUse, match="is open"):
        alive.driver.unmanage(volume.id, None)
    alive.lvm.device(lv).opened = 0
    lv.tags.add(f"hearth.growing={4 * MIB}")
    alive.lvm.state.seqno += 1
    with pytest.raises(Busy):
        alive.driver.unmanage(volume.id, None)


def test_ids_of_others_are_let_go_already(alive: Life) -> None:
    assert alive.driver.unmanage(alive.volume().id.replace(".", "x."), None) is None  # type: ignore[arg-type]
    assert alive.driver.unmanage_snapshot("nothing", None) is None  # type: ignore[arg-type]


def test_the_name_of_the_storage(lvm: FakeLvm) -> None:
    with lived(Process(lvm), **OPTIONS) as alive:
        assert alive.driver.storage_name == "vg"
