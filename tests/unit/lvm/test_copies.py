"""Volumes made from something: of one moment, whole, and begun again only where that is right."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from drivers.errors import (
    Busy,
    CommandFailed,
    Exhausted,
    InProgress,
    InUse,
    NotFound,
    OutOfRange,
    Precondition,
    Unavailable,
)
from drivers.exec import deadline
from drivers.lvm import names
from drivers.model import MIB, Content, Properties, Source, SourceKind, Volume
from tests.fakes.lvm import Died, FakeLvm, Process
from tests.fakes.lvm.driver import Life, life, lived, wanted

THIN: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 8, "layout": "linear"}


def filled(alive: Life, layout: str = "linear") -> Volume:
    volume = alive.volume(layout=layout)
    alive.lvm.write(alive.lvm.object(volume.id), "old")
    return alive.driver.set_content(volume.id, Content.FORMATTED)


def clone(alive: Life, volume: Volume, name: str = "made", size: int = 4 * MIB) -> Volume:
    return alive.driver.create_cloned_volume(wanted(name, size), volume.id)


def test_a_copy_says_where_it_is_from_and_what_it_holds(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = filled(alive)
        snapshot = alive.snapshot(volume)
        cloned = clone(alive, volume)
        restored = alive.driver.create_volume_from_snapshot(wanted("restored"), snapshot.id)
    assert cloned.source == Source(SourceKind.VOLUME, volume.id)
    assert restored.source == Source(SourceKind.SNAPSHOT, snapshot.id)
    assert cloned.content is restored.content is Content.INHERITED


def test_a_copy_of_nothing_may_be_formatted(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        assert clone(alive, alive.volume()).content is Content.BLANK


def test_the_same_call_again_finds_the_copy(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = filled(alive)
        made = clone(alive, volume)
        alive.drained()
        del alive.process.changes[:]
        assert clone(alive, volume) == made
        assert alive.process.changes == []


def test_what_is_smaller_than_its_source_is_out_of_range_and_leaves_nothing(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = filled(alive)
        with pytest.raises(OutOfRange, match="cannot be smaller"):
            clone(alive, volume, size=3 * MIB)
    assert len(lvm.names()) == 1


def test_a_source_that_is_not_there(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.delete_volume(volume.id)
        with pytest.raises(NotFound):
            clone(alive, volume)


def test_a_snapshot_that_overflowed_is_not_restored(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = filled(alive)
        snapshot = alive.snapshot(volume)
        alive.driver.initialize_connection(volume.id)
        lvm.object(snapshot.id).overflowed = True
        assert not alive.driver.get_snapshot(snapshot.id).usable
        with pytest.raises(Precondition, match="overflowed and cannot be used"):
            alive.driver.create_volume_from_snapshot(wanted("restored"), snapshot.id)


def test_a_snapshot_that_overflows_while_it_is_copied_fails_the_copy(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = filled(alive)

        def overflow(what: str) -> None:
            for each in lvm.tagged(names.COPY):
                each.overflowed = each.overflowed or what.startswith("copy ")

        alive.process.meanwhile = overflow
        with pytest.raises(Unavailable, match="overflowed while it was copied"):
            clone(alive, volume)
        assert alive.driver.find_volume("made") is None
        # The moment is lost: the next call takes another one.
        alive.process.meanwhile = lambda _what: None
        assert lvm.content(lvm.object(clone(alive, volume).id)) == ["old"] * 4


def test_a_callers_snapshot_that_overflows_while_it_is_copied_has_to_go(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        snapshot = alive.snapshot(filled(alive))

        def overflow(what: str) -> None:
            if what.startswith("copy "):
                lvm.object(snapshot.id).overflowed = True

        alive.process.meanwhile = overflow
        with pytest.raises(Precondition, match="delete it and make a new one"):
            alive.driver.create_volume_from_snapshot(wanted("made"), snapshot.id)
        assert alive.driver.find_volume("made") is None


@pytest.mark.parametrize("layout", ["linear", "thin"])
def test_a_copy_without_room_for_its_snapshot_leaves_nothing(lvm: FakeLvm, layout: str) -> None:
    """The answer sends the caller to another node, and nobody would ever ask here again."""
    with life(lvm, **THIN) as alive:
        volume = filled(alive)
        room = lvm.free() - (8 if layout == "linear" else 4)
        lvm.write(lvm.object(alive.volume("other", room * MIB).id), "other")
        alive.drained()
        before = lvm.names()
        with pytest.raises(Exhausted):
            alive.driver.create_cloned_volume(wanted("made", layout=layout), volume.id)
        alive.drained()
        assert lvm.names() == before
        assert lvm.tagged(names.COPY) == []


def test_a_thin_copy_that_cannot_grow_leaves_nothing(lvm: FakeLvm) -> None:
    with life(lvm, **THIN) as alive:
        volume = filled(alive, layout="thin")

        def refuse(what: str) -> None:
            if what.startswith("lvm lvextend"):
                raise CommandFailed("lvm", 5, "free space in thin pool vg/pool reached threshold.")

        alive.process.meanwhile = refuse
        with pytest.raises(Exhausted):
            alive.driver.create_cloned_volume(wanted("made", 6 * MIB, layout="thin"), volume.id)
        assert len(lvm.names()) == 1


def test_a_copy_goes_on_past_the_deadline_and_the_next_call_finds_it(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume, go = filled(alive), threading.Event()
        alive.process.meanwhile = lambda what: wait_at(what, " 2", go)
        token = deadline.set(time.monotonic() + 0.7)
        try:
            with pytest.raises(InProgress) as caught:
                clone(alive, volume)
        finally:
            deadline.reset(token)
        assert (caught.value.done, caught.value.total) == (2 * MIB, 4 * MIB)
        (progress,) = alive.driver.get_volume_stats({}, refresh=False).jobs
        assert (progress.job, progress.done) == ("copy", 2 * MIB)
        assert alive.driver.find_volume("made") is None
        with pytest.raises(Busy):
            alive.driver.delete_volume(volume.id)
        go.set()
        made = clone(alive, volume)
    assert lvm.content(lvm.object(made.id)) == ["old"] * 4
    copied = [what for what in alive.process.changes if what.startswith("copy ")]
    assert len(copied) == len(set(copied)) == 5


def wait_at(what: str, end: str, go: threading.Event) -> None:
    if what.startswith("copy ") and what.endswith(end):
        assert go.wait(10)


def test_a_clone_whose_moment_is_being_removed_begins_anew(lvm: FakeLvm) -> None:
    """The process died when the copy was done and its snapshot marked for deletion.

    What the next one finds is not the moment any more: to read the live source would tear the copy.
    """
    with life(lvm) as first:
        volume = filled(first)
    dying = Process(lvm)

    def die(what: str) -> None:
        if f"--addtag {names.DELETING} -- vg/tmp-copy" in what:
            dying.die_after_this()

    dying.meanwhile = die
    with pytest.raises((Died, Unavailable)), lived(dying) as second:
        clone(second, volume)
    third, go, moments = Process(lvm), threading.Event(), count()

    def interfere(what: str) -> None:
        if what.startswith("wipe"):
            assert go.wait(10)
        if what.startswith("copy "):
            lvm.write(lvm.object(volume.id), f"moment {next(moments)}")

    third.meanwhile = interfere
    with lived(third) as alive:
        threading.Timer(0.3, go.set).start()
        made = clone(alive, volume)
        go.set()
        alive.drained()
    assert len(set(lvm.content(lvm.object(made.id)))) == 1


def test_a_source_with_an_unfinished_copy_can_go_and_takes_it_with_it(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        volume = filled(first)
    dying = Process(lvm)
    dying.meanwhile = lambda what: dying.die_after_this() if what.startswith("copy ") else None
    with pytest.raises((Died, Unavailable)), lived(dying) as second:
        clone(second, volume)
    assert len(lvm.names()) == 3
    with life(lvm) as third:
        third.driver.delete_volume(volume.id)
        third.drained()
    assert lvm.names() == []
    assert lvm.old_blocks() == set()


@pytest.mark.parametrize("layout", ["linear", "thin"])
def test_a_volume_that_a_copy_reads_stays_active_until_that_ends(lvm: FakeLvm, layout: str) -> None:
    with life(lvm, **THIN) as alive:
        volume, go = filled(alive, layout=layout), threading.Event()
        alive.driver.initialize_connection(volume.id)
        alive.process.meanwhile = lambda what: wait_at(what, " 2", go)
        caller = threading.Thread(target=clone, args=(alive, volume))
        caller.start()
        lvm.wait_for(lambda: any(what.startswith("copy ") for what in alive.process.changes))
        alive.driver.terminate_connection(volume.id)
        root = lvm.object(volume.id)
        reading = root if layout == "linear" else lvm.tagged(names.COPY)[0]
        assert lvm.state.device(reading) is not None
        go.set()
        caller.join(10)
        alive.drained()
        assert lvm.state.device(root) is None


def test_a_snapshot_that_is_copied_is_not_deleted(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        snapshot, go = alive.snapshot(filled(alive)), threading.Event()
        alive.process.meanwhile = lambda what: wait_at(what, " 2", go)
        restore = alive.driver.create_volume_from_snapshot
        caller = threading.Thread(target=restore, args=(wanted("made"), snapshot.id))
        caller.start()
        lvm.wait_for(lambda: any(what.startswith("copy ") for what in alive.process.changes))
        with pytest.raises((Busy, InUse)):
            alive.driver.delete_snapshot(snapshot.id)
        go.set()
        caller.join(10)
        alive.driver.delete_snapshot(snapshot.id)
        assert alive.driver.find_volume("made") is not None


def test_a_volume_zeroed_when_it_is_made_shows_nothing_of_others(lvm: FakeLvm) -> None:
    for disk in lvm.state.disks.values():
        disk.content = [old or "others" for old in disk.content]
    with life(lvm, wipeOn="both") as alive:
        careful = alive.volume("careful")
    with life(lvm) as alive:
        quick = alive.volume("quick")
    assert careful.zeroed
    assert lvm.content(lvm.object(careful.id)) == [""] * 4
    assert not quick.zeroed
    # Its ends are always wiped, so that no signature of others is taken for its own.
    assert lvm.content(lvm.object(quick.id)) == ["", "others", "others", ""]


def test_what_is_left_of_a_copy_for_another_claim_is_no_beginning(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        volume = filled(first)
        snapshot = first.snapshot(volume)
    dying = Process(lvm)
    dying.meanwhile = lambda what: dying.die_after_this() if what.startswith("copy ") else None
    with pytest.raises((Died, Unavailable)), lived(dying) as second:
        second.driver.create_volume_from_snapshot(wanted("made"), snapshot.id)
    spec = replace(wanted("made"), properties=Properties(pvc_name="another"))
    with life(lvm) as third:
        made = third.driver.create_volume_from_snapshot(spec, snapshot.id)
    assert made.properties == spec.properties
    assert lvm.content(lvm.object(made.id)) == ["old"] * 4


def test_what_is_left_of_a_copy_from_another_source_is_no_beginning(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        one, other = filled(first), first.volume("other")
        lvm.write(lvm.object(other.id), "other")
        snapshots = [first.snapshot(one, "s1"), first.snapshot(other, "s2")]
    dying = Process(lvm)
    dying.meanwhile = lambda what: dying.die_after_this() if what.startswith("copy ") else None
    with pytest.raises((Died, Unavailable)), lived(dying) as second:
        second.driver.create_volume_from_snapshot(wanted("made"), snapshots[0].id)
    with life(lvm) as third:
        made = third.driver.create_volume_from_snapshot(wanted("made"), snapshots[1].id)
        third.drained()
    assert made.source == Source(SourceKind.SNAPSHOT, snapshots[1].id)
    assert lvm.content(lvm.object(made.id)) == ["other"] * 4
