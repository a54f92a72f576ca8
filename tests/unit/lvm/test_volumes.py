"""Volumes and snapshots through the driver: idempotent, exact, and never somebody else's."""

from __future__ import annotations

from typing import Any

import pytest

from drivers.errors import (
    Exhausted,
    Exists,
    InUse,
    Invalid,
    NotFound,
    OutOfRange,
    Precondition,
    StorageError,
)
from drivers.lvm import names
from drivers.model import MIB, Content, SizeRange, SnapshotSpec, VolumeId, VolumeSpec
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import life, wanted

OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 4}
LAYOUTS = ("thin", "linear", "striped", "raid1", "raid10")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_volume_is_made_once(lvm: FakeLvm, layout: str) -> None:
    with life(lvm, **OPTIONS) as alive:
        made = alive.volume(layout=layout)
        del alive.process.changes[:]
        assert alive.volume(layout=layout) == made
        assert alive.driver.find_volume("v") == alive.driver.get_volume(made.id) == made
        assert alive.driver.list_volumes() == [made]
        assert alive.process.changes == []
    assert made.options["layout"] == layout
    assert made.properties == wanted().properties
    assert (made.size, made.requested, made.content) == (4 * MIB, 4 * MIB, Content.BLANK)
    assert made.zeroed is (layout == "thin")


def test_the_requested_size_is_kept_beside_the_true_one(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        made = alive.volume(size=3 * MIB + 1)
    assert (made.size, made.requested) == (4 * MIB, 3 * MIB + 1)


def test_names_of_any_unicode_and_128_bytes(lvm: FakeLvm) -> None:
    every = ["", "-rf", "a/b", "..", "é" * 64, "\u202e\n\t\0", "名" * 42, "v%s{}", "a,b@c"]
    with life(lvm, **OPTIONS) as alive:
        made = {name: alive.volume(name, MIB) for name in every}
        assert {name: alive.driver.find_volume(name) for name in every} == made
    assert len({volume.id for volume in made.values()}) == len(every)
    assert all(len(volume.id.encode()) <= 128 for volume in made.values())


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (VolumeSpec("v", SizeRange(MIB + 1, MIB + 2)), OutOfRange),
        (VolumeSpec("v", SizeRange(MIB), options={"layout": "raid6"}), Invalid),
        (VolumeSpec("v", SizeRange(MIB), options={"stripes": "2"}), Invalid),
        (VolumeSpec("v", SizeRange(MIB), options={"layout": "striped", "stripes": "0"}), Invalid),
        (VolumeSpec("v", SizeRange(10**15)), Exhausted),
        (VolumeSpec("v", SizeRange(10**15), options={"layout": "linear"}), Exhausted),
    ],
)
def test_what_cannot_be_made_changes_nothing(
    lvm: FakeLvm, spec: VolumeSpec, error: type[StorageError]
) -> None:
    with life(lvm, **OPTIONS) as alive:
        with pytest.raises(error):
            alive.driver.create_volume(spec)
        assert alive.process.changes == []


def test_a_name_that_an_administrators_volume_has_is_left_to_it(lvm: FakeLvm) -> None:
    lvm.run(["lvm", "lvcreate", "--yes", "--zero", "n", "--wipesignatures", "n", "--type", "linear",
             "--extents", "1", "--name", names.volume("v"), "--", "vg"])  # fmt: skip
    with life(lvm) as alive:
        with pytest.raises(Exists, match="not a volume of Hearth: rename it"):
            alive.volume()
        assert alive.process.changes == []
        assert alive.driver.list_volumes() == []


STRANGE = ["", "x", "x.y", "../etc", "a" * 200, "vg.1", "\n", "--force"]


@pytest.mark.parametrize("identifier", STRANGE)
def test_ids_that_are_none_of_ours_are_not_found(lvm: FakeLvm, identifier: str) -> None:
    with life(lvm) as alive:
        with pytest.raises(NotFound):
            alive.driver.get_volume(VolumeId(identifier))
        with pytest.raises(NotFound):
            alive.driver.initialize_connection(VolumeId(identifier))
        with pytest.raises(NotFound):
            alive.driver.get_volume(VolumeId(f"{alive.driver.backend_id}.{identifier}"))
        alive.driver.delete_volume(VolumeId(f"{alive.driver.backend_id}.{identifier}"))
        assert alive.process.changes == []


def test_a_volume_nobody_tagged_is_never_listed_or_touched(lvm: FakeLvm) -> None:
    lvm.run(["lvm", "lvcreate", "--yes", "--zero", "n", "--wipesignatures", "n", "--type", "linear",
             "--extents", "2", "--name", "database", "--addtag", "backup", "--", "vg"])  # fmt: skip
    with life(lvm) as alive:
        alive.driver.delete_volume(alive.volume().id)
        alive.drained()
        assert alive.driver.list_volumes() == []
    assert lvm.names() == ["database"]
    assert lvm.lv("database").tags == {"backup"}


def test_deleting_twice_is_success(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as alive:
        volume = alive.volume()
        snapshot = alive.snapshot(volume)
        for _ in range(2):
            alive.driver.delete_snapshot(snapshot.id)
        for _ in range(2):
            alive.driver.delete_volume(volume.id)
        with pytest.raises(NotFound):
            alive.driver.get_volume(volume.id)
        with pytest.raises(NotFound):
            alive.driver.get_snapshot(snapshot.id)


def test_a_thick_volume_with_snapshots_names_them(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        ids = [alive.snapshot(volume, name).id for name in ("s1", "s2")]
        del alive.process.changes[:]
        with pytest.raises(InUse) as caught:
            alive.driver.delete_volume(volume.id)
        assert all(identifier in str(caught.value) for identifier in ids)
        assert alive.process.changes == []


def test_thin_snapshots_outlive_their_volume(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as alive:
        volume = alive.volume()
        lvm.write(lvm.object(volume.id), "data")
        snapshot = alive.snapshot(volume)
        alive.driver.delete_volume(volume.id)
        assert alive.driver.get_snapshot(snapshot.id) == snapshot
        restored = alive.driver.create_volume_from_snapshot(wanted("again"), snapshot.id)
        assert lvm.content(lvm.object(restored.id)) == ["data"] * 4
        alive.driver.delete_snapshot(snapshot.id)
        assert lvm.content(lvm.object(restored.id)) == ["data"] * 4


def test_an_adopted_volume_is_never_deleted(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.set_content(volume.id, Content.ADOPTED)
        del alive.process.changes[:]
        with pytest.raises(Precondition, match="adopted and is never deleted"):
            alive.driver.delete_volume(volume.id)
        assert alive.process.changes == []


def test_a_snapshot_is_made_once_and_keeps_its_moment(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as alive:
        volume = alive.driver.set_content(alive.volume().id, Content.FORMATTED)
        spec = SnapshotSpec("s", volume.id, {"namespace": "shop", "name": "näme"})
        made = alive.driver.create_snapshot(spec)
        del alive.process.changes[:]
        assert alive.driver.create_snapshot(spec) == made == alive.driver.find_snapshot("s")
        assert alive.driver.list_snapshots() == [made]
        assert alive.process.changes == []
    assert (made.size, made.content, made.labels) == (4 * MIB, Content.FORMATTED, spec.labels)
    assert made.created.tzinfo is not None
    assert made.usable


def test_a_snapshot_of_nothing(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.delete_volume(volume.id)
        with pytest.raises(NotFound):
            alive.snapshot(volume)


def test_an_open_snapshot_is_in_use(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        snapshot = alive.snapshot(volume)
        alive.driver.initialize_connection(volume.id)
        lvm.device(lvm.object(snapshot.id)).opened = 1
        with pytest.raises(InUse, match="is being read"):
            alive.driver.delete_snapshot(snapshot.id)


def test_what_a_volume_holds_is_one_transaction_and_none_if_nothing_changes(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        del alive.process.changes[:]
        assert alive.driver.set_content(volume.id, Content.FORMATTING).content is Content.FORMATTING
        assert alive.driver.set_content(volume.id, Content.FORMATTING).content is Content.FORMATTING
        (change,) = alive.process.changes
    assert "--deltag" in change
    assert "--addtag" in change


def test_lists_are_in_the_order_of_ids(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as alive:
        ids = [alive.volume(str(number), MIB).id for number in range(5)]
        assert [each.id for each in alive.driver.list_volumes()] == sorted(ids)
