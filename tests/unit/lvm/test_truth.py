"""What the driver believes: a fresh report by id, never LVM's word, a name, or what it does not see."""

from __future__ import annotations

import time
from typing import Any

import pytest

from drivers.errors import (
    Busy,
    NotFound,
    Unavailable,
)
from drivers.exec import deadline
from drivers.lvm import names
from drivers.model import MIB, VolumeId
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import life

OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 4}


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
        told = f"vg/{names.volume('v')} carries the id.*pvck --dump metadata_all"
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
        with pytest.raises(Unavailable, match=f"{lv.name}.*cannot be understood.*pvck --dump"):
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
