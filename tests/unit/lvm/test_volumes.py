"""Volumes and snapshots through the driver: idempotent, exact, and never somebody else's."""

from __future__ import annotations

import time
from typing import Any

import pytest

from drivers.errors import (
    Busy,
    Exhausted,
    Exists,
    InUse,
    Invalid,
    NotFound,
    OutOfRange,
    Precondition,
    StorageError,
    Unavailable,
)
from drivers.exec import deadline
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


def test_a_change_by_somebody_else_is_seen_at_once(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        lvm.run(["lvm", "lvextend", "--yes", "--extents", "7", "--", f"vg/{names.volume('v')}"])
        assert alive.driver.get_volume(volume.id).size == 7 * MIB


@pytest.mark.parametrize("layout", ["thin", "linear"])
def test_success_that_a_new_report_does_not_show_is_unavailable(lvm: FakeLvm, layout: str) -> None:
    with life(lvm, **OPTIONS) as alive:

        def lose(what: str) -> None:
            if "fullreport" in what:
                for lv in lvm.tagged("hearth.id="):
                    del lvm.state.lvs[lv.uuid]

        alive.process.meanwhile = lose
        with pytest.raises(Unavailable, match="LVM reported success, but"):
            alive.volume(layout=layout)


def test_a_layout_that_lvm_degraded_is_unavailable(lvm: FakeLvm) -> None:
    with life(lvm) as alive:

        def degrade(what: str) -> None:
            if "fullreport" in what:
                for lv in lvm.tagged("hearth.id="):
                    lv.type = "linear"

        alive.process.meanwhile = degrade
        with pytest.raises(Unavailable, match=r"not .* as .*STRIPED"):
            alive.volume(layout="striped")
        alive.process.meanwhile = lambda _what: None
        assert alive.driver.list_volumes() == []


def test_a_lock_that_stays_held_is_busy_at_the_deadline_and_reads_go_on(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        assert alive.driver.list_volumes() == [volume]
        lvm.state.seqno += 1
        lvm.locked = 1_000_000
        token = deadline.set(time.monotonic() + 0.3)
        try:
            with pytest.raises(Busy):
                alive.volume("other")
            assert alive.driver.get_volume(volume.id) == volume
        finally:
            deadline.reset(token)
            lvm.locked = 0
        alive.driver.delete_volume(volume.id)
        alive.drained()


def test_two_with_one_id_are_refused_by_both_names(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        twin = lvm.object(alive.volume("other").id)
        twin.tags = {tag for tag in twin.tags if not tag.startswith(names.ID)}
        twin.tags.add(f"{names.ID}{volume.id.partition('.')[2]}")
        lvm.state.seqno += 1
        for call in (alive.driver.get_volume, alive.driver.delete_volume):
            with pytest.raises(Unavailable, match="both carry the id"):
                call(volume.id)
    assert len(lvm.names()) == 2


def test_the_memory_of_a_dead_process_is_not_needed(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as first:
        volume = first.volume()
        snapshot = first.snapshot(volume)
    with life(lvm, **OPTIONS) as second:
        assert second.driver.list_volumes() == [volume]
        assert second.driver.list_snapshots() == [snapshot]


def test_a_volume_whose_packed_tag_is_lost_is_not_absent(lvm: FakeLvm) -> None:
    """Its id is there: to say "deleted" or "not found" would be a guess."""
    with life(lvm) as alive:
        volume = alive.volume()
        snapshot = alive.snapshot(alive.volume("other"))
        for lv in (lvm.object(volume.id), lvm.object(snapshot.id)):
            lv.tags = {tag for tag in lv.tags if not tag.startswith("hearth.1=")}
        lvm.state.seqno += 1
        del alive.process.changes[:]
        told = f"vg/{names.volume('v')} carries the id"
        for call in (alive.driver.get_volume, alive.driver.delete_volume):
            with pytest.raises(Unavailable, match=told):
                call(volume.id)
        for other in (alive.driver.get_snapshot, alive.driver.delete_snapshot):
            with pytest.raises(Unavailable, match="carries the id"):
                other(snapshot.id)
        assert alive.process.changes == []


@pytest.mark.parametrize(
    ("field", "value"), [("content", "empty"), ("requested", "much"), ("source", "disk:1")]
)
def test_a_volume_whose_tag_cannot_be_understood_is_unavailable_by_name(
    lvm: FakeLvm, field: str, value: str
) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        lv = lvm.object(volume.id)
        fields = names.unpack(lv.tags) | {field: value}
        lv.tags = (lv.tags - names.packed(lv.tags)) | set(names.pack(fields))
        lvm.state.seqno += 1
        with pytest.raises(Unavailable, match=f"{lv.name}.*cannot be understood"):
            alive.driver.list_volumes()


def test_the_id_of_an_object_under_another_backend_is_none_of_ours(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        other = VolumeId(f"other.{volume.id.partition('.')[2]}")
        with pytest.raises(NotFound, match="is not an id of backend"):
            alive.driver.get_volume(other)
        with pytest.raises(NotFound):
            alive.driver.initialize_connection(other)


def test_what_another_process_made_is_not_absent_because_lvm_is_slow(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        assert alive.driver.list_volumes() == []
        with life(lvm) as other:
            volume = other.volume()
        lvm.locked = 1_000_000
        token = deadline.set(time.monotonic() + 1.3)
        try:
            with pytest.raises(Busy):
                alive.driver.get_volume(volume.id)
        finally:
            deadline.reset(token)
            lvm.locked = 0
        assert alive.driver.get_volume(volume.id) == volume
