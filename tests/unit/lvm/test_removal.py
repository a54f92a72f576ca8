"""What is deleted: gone for everybody at once, wiped in the background, and never by a name it had."""

from __future__ import annotations

import time

import pytest

from drivers.errors import InUse
from drivers.lvm import commands, names
from drivers.model import MIB
from tests.fakes.lvm import FakeLvm, Process
from tests.fakes.lvm.driver import Life, life, lived


def changes(alive: Life) -> list[str]:
    """What the process changed from the deletion on."""
    return [what.replace("lvm ", "") for what in alive.process.changes]


def test_a_thick_volume_is_marked_before_anything_else(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        lvm.write(lvm.object(volume.id), "secret")
        del alive.process.changes[:]
        alive.driver.delete_volume(volume.id)
        alive.drained()
        told = changes(alive)
    assert "--addtag hearth.deleting" in told[0]
    assert told[1].startswith("lvrename")
    steps = [what.split()[0] for what in told[2:] if what != "go on wiping"]
    assert steps == ["lvchange", "wipe", *["zero"] * 4, "lvremove"]
    assert lvm.names() == []
    assert lvm.old_blocks() == set()


def test_a_cow_area_is_split_off_and_wiped(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        snapshot = alive.snapshot(volume)
        lvm.write(lvm.object(volume.id), "secret")
        lvm.write(lvm.object(volume.id), "later")
        del alive.process.changes[:]
        alive.driver.delete_snapshot(snapshot.id)
        alive.drained()
        told = changes(alive)
    assert [what.split()[0] for what in told[:3]] == ["lvchange", "lvconvert", "lvrename"]
    assert lvm.old_blocks() == set()
    assert lvm.content(lvm.object(volume.id)) == ["later"] * 4


@pytest.mark.parametrize(
    ("wipe", "old"), [("zero", set()), ("discard", set()), ("none", {"secret"})]
)
def test_the_policy_decides_what_is_done_to_extents(lvm: FakeLvm, wipe: str, old: set[str]) -> None:
    process = Process(lvm)
    with life(lvm) as first:
        volume = first.volume()
        lvm.write(lvm.object(volume.id), "secret")
    with lived(process, wipe=wipe, checked=False) as alive:
        alive.driver.delete_volume(volume.id)
        alive.drained()
    verbs = {what.split()[0] for what in process.changes}
    assert ("zero" in verbs, "discard" in verbs) == (wipe == "zero", wipe == "discard")
    assert lvm.old_blocks() == old


def test_a_thin_volume_goes_at_once(lvm: FakeLvm) -> None:
    with life(lvm, thinPools=["pool"]) as alive:
        volume = alive.volume()
        del alive.process.changes[:]
        alive.driver.delete_volume(volume.id)
        assert [what.split()[0] for what in changes(alive)] == ["lvremove"]
    assert lvm.names() == []


def test_the_extents_count_as_used_until_they_are_wiped(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        free = lvm.free()
        seen: list[int] = []
        alive.process.meanwhile = lambda what: seen.append(lvm.free()) if "zero " in what else None
        alive.driver.delete_volume(volume.id)
        alive.drained()
    assert seen == [free] * 4
    assert lvm.free() == free + 4


def test_the_queue_of_an_earlier_process_is_gone_on_with(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        for number in range(3):
            volume = first.volume(f"v{number}")
            lvm.write(lvm.object(volume.id), "secret")
    for lv in lvm.tagged("hearth.id="):
        lv.tags.add(names.DELETING)
    with life(lvm) as second:
        assert second.driver.list_volumes() == []
        second.drained()
    assert lvm.names() == []
    assert lvm.old_blocks() == set()


def test_what_waits_is_told(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        told: list[int] = []

        def look(what: str) -> None:
            if what.startswith("zero"):
                told.append(alive.driver.get_volume_stats({}, refresh=False).wiping)

        alive.process.meanwhile = look
        alive.driver.delete_volume(volume.id)
        alive.drained()
    assert set(told) == {1}


def test_an_open_volume_is_in_use_and_stays_as_it_is(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.initialize_connection(volume.id)
        lvm.device(lvm.object(volume.id)).opened = 1
        del alive.process.changes[:]
        with pytest.raises(InUse, match="is open: unmount it"):
            alive.driver.delete_volume(volume.id)
        assert alive.process.changes == []
        assert alive.driver.get_volume(volume.id) == volume


def test_closing_ends_a_wipe_at_its_next_piece_and_the_next_process_goes_on(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        volume = first.volume(size=8 * MIB)
        lvm.write(lvm.object(volume.id), "secret")
        stop = first.driver._removal._stopping
        first.process.meanwhile = lambda what: stop.set() if what.endswith(" 2") else None
        first.driver.delete_volume(volume.id)
        lvm.wait_for(lambda: any(what.endswith(" 2") for what in first.process.changes))
    (left,) = lvm.tagged(names.DELETING)
    assert lvm.content(left)[2:4] == ["", "secret"]
    with life(lvm) as second:
        second.drained()
    assert lvm.old_blocks() == set()


def test_a_volume_that_gets_a_deleted_ones_name_is_left_alone(lvm: FakeLvm) -> None:
    """The wiper saw the old one by that name, and comes late."""
    with life(lvm) as alive:
        alive.drained()
        old = alive.volume()
        group, process = alive.driver._group, alive.process
        with group.changing() as now:
            lv = now.lvs[lvm.object(old.id).name]
            group.retag(lv, add={names.DELETING})
            looks = process.looks
            alive.driver._removal.start()
            # It looks, makes a report, looks whether that is still right, and then waits for us.
            lvm.wait_for(lambda: process.looks >= looks + 3)
            group.run(commands.rename("vg", lv.name, names.deleted()))
            new = alive.volume()
        alive.drained()
        assert [each.name for each in lvm.tagged("hearth.id=")] == [names.volume("v")]
        assert alive.driver.list_volumes() == [new]


def test_what_an_administrator_removed_stops_nothing(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        for name in ("a", "b"):
            first.volume(name)
    for lv in lvm.tagged("hearth.id="):
        lv.tags.add(names.DELETING)
    with life(lvm) as second:
        second.process.meanwhile = lambda what: remove_one(lvm) if "lvrename" in what else None
        second.drained()
    assert lvm.names() == []


def remove_one(lvm: FakeLvm) -> None:
    for lv in lvm.tagged(names.DELETING)[1:]:
        lvm.run(commands.remove("vg", lv.name))


def test_a_lock_that_is_held_only_delays(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        lvm.locked = 2
        began = time.monotonic()
        alive.driver.delete_volume(volume.id)
        alive.drained()
    assert time.monotonic() - began < 5
    assert lvm.names() == []


def test_one_that_cannot_be_wiped_does_not_hold_the_others_up(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        for number in range(3):
            lv = lvm.object(first.volume(str(number)).id)
            lv.name = f"del-{number}"
            lv.tags.add(names.DELETING)
    stuck = lvm.lv("del-0")
    lvm.state.activate(stuck)
    lvm.device(stuck).opened = 1
    with life(lvm) as second:
        lvm.wait_for(lambda: lvm.names() == ["del-0"])
        lvm.wait_for(lambda: counts(second) == (1, 1, 8 * MIB))
        lvm.device(stuck).opened = 0
    with life(lvm) as third:
        third.drained()
        lvm.wait_for(lambda: counts(third) == (0, 0, 4 * MIB))
    assert lvm.names() == []


def counts(alive: Life) -> tuple[int, int, int]:
    told = alive.driver.get_volume_stats({}, refresh=False)
    return told.wiping, told.unwipeable, told.wiped


def test_a_volume_that_an_administrator_rescued_is_not_wiped(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        lvm.write(lvm.object(volume.id), "data")
        group, process = alive.driver._group, alive.process
        with group.changing() as now:
            lv = now.lvs[lvm.object(volume.id).name]
            group.retag(lv, add={names.DELETING})
            looks = process.looks
            alive.driver._removal.start()
            lvm.wait_for(lambda: process.looks >= looks + 3)
            group.retag(lv, remove={names.DELETING})
        alive.drained()
        assert alive.driver.list_volumes() == [volume]
    assert lvm.content(lvm.object(volume.id)) == ["data"] * 4
