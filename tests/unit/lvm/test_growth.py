"""Growing: the new part reads as zeros at all times, and COW areas keep up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Exhausted, InUse, NotFound, Precondition, Unavailable
from drivers.lvm import names
from drivers.lvm.growth import cow_extents
from drivers.model import KIB, MIB, Volume
from tests.fakes.lvm import Died, FakeLvm, Process
from tests.fakes.lvm.driver import Life, life, lived

OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 4}
THICK = ("linear", "striped", "raid1", "raid10")


def stained(lvm: FakeLvm) -> None:
    """Everything that is free holds what others left there."""
    for disk in lvm.state.disks.values():
        for at in lvm.state.free(disk.name):
            disk.content[at] = "others"


@pytest.mark.parametrize("layout", ["thin", *THICK])
def test_no_reader_ever_sees_old_blocks_in_the_new_part(lvm: FakeLvm, layout: str) -> None:
    with life(lvm, **OPTIONS) as alive:
        volume = alive.volume(layout=layout)
        lv = lvm.object(volume.id)
        lvm.write(lv, "data")
        stained(lvm)

        def look(_what: str) -> None:
            assert set(lvm.content(lv)) <= {"data", ""}

        alive.process.meanwhile = look
        grown = alive.driver.extend_volume(volume.id, 9 * MIB)
    assert grown.size >= 9 * MIB
    content = lvm.content(lv)
    assert content == ["data"] * 4 + [""] * (len(content) - 4)
    for image in lv.images:
        assert "others" not in lvm.content(lvm.state.lvs[image])


@pytest.mark.parametrize("layout", ["thin", *THICK])
def test_what_is_large_enough_is_left_alone(lvm: FakeLvm, layout: str) -> None:
    with life(lvm, **OPTIONS) as alive:
        volume = alive.volume(layout=layout)
        del alive.process.changes[:]
        assert alive.driver.extend_volume(volume.id, 3 * MIB) == volume
        assert alive.driver.extend_volume(volume.id, 4 * MIB) == volume
        assert alive.process.changes == []


def test_a_new_size_is_rounded_up_to_whole_stripes(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume(layout="striped", stripes="3")
        assert volume.size == 6 * MIB
        grown = alive.driver.extend_volume(volume.id, 7 * MIB)
    assert (grown.size, grown.requested) == (9 * MIB, 4 * MIB)


def test_what_does_not_exist(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.delete_volume(volume.id)
        with pytest.raises(NotFound):
            alive.driver.extend_volume(volume.id, 8 * MIB)


@pytest.mark.parametrize("layout", ["thin", *THICK])
def test_what_does_not_fit_is_exhausted_and_takes_nothing(lvm: FakeLvm, layout: str) -> None:
    with life(lvm, **OPTIONS) as alive:
        volume = alive.volume(layout=layout)
        free = lvm.free()
        with pytest.raises(Exhausted):
            alive.driver.extend_volume(volume.id, 120 * MIB)
        assert lvm.free() == free
        assert alive.driver.get_volume(volume.id) == volume


def test_room_that_is_fragmented_too_much_is_given_back(tmp_path: Path) -> None:
    """The bound lets it pass, LVM's allocator does not."""
    lvm = FakeLvm(tmp_path, {"/dev/sda": 30, "/dev/sdb": 4})
    with life(lvm) as alive:
        volume = alive.volume(size=4 * MIB, layout="striped")
        free = lvm.free()
        with pytest.raises(Exhausted):
            alive.driver.extend_volume(volume.id, 20 * MIB)
        assert lvm.free() == free
        assert lvm.tagged(names.TAIL) == []


def snapped(alive: Life) -> Volume:
    volume = alive.volume()
    alive.snapshot(volume)
    return volume


def test_a_thick_volume_with_snapshots_in_use_names_them(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = snapped(alive)
        (snapshot,) = alive.driver.list_snapshots()
        alive.driver.initialize_connection(volume.id)
        lvm.device(lvm.object(volume.id)).opened = 1
        del alive.process.changes[:]
        with pytest.raises(Precondition, match=f"in use and has snapshots.*{snapshot.id}"):
            alive.driver.extend_volume(volume.id, 8 * MIB)
        assert alive.process.changes == []


def test_a_thick_volume_in_use_without_snapshots_grows(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()
        alive.driver.initialize_connection(volume.id)
        lvm.device(lvm.object(volume.id)).opened = 1
        assert alive.driver.extend_volume(volume.id, 8 * MIB).size == 8 * MIB
        assert alive.driver.initialize_connection(volume.id).size == 8 * MIB


def test_the_areas_of_all_snapshots_have_room_or_nothing_is_begun(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = snapped(alive)
        alive.snapshot(volume, "second")
        free = lvm.free()
        del alive.process.changes[:]
        more = free // 3 + 2
        with pytest.raises(Exhausted, match="with its snapshots"):
            alive.driver.extend_volume(volume.id, volume.size + more * MIB)
        assert alive.process.changes == []


def test_areas_follow_their_origin(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = snapped(alive)
        alive.driver.extend_volume(volume.id, 8 * MIB)
        (snapshot,) = alive.driver.list_snapshots()
    area = lvm.object(snapshot.id)
    assert area.extents == cow_extents(8 * MIB, 4096, MIB)
    assert snapshot.size == 4 * MIB


def test_a_growth_that_was_cut_off_is_finished_before_anybody_connects(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        volume = snapped(first)
        first.driver.terminate_connection(volume.id)
    dying = Process(lvm)
    dying.meanwhile = lambda what: dying.die_after_this() if "lvextend" in what else None
    with pytest.raises(Died), lived(dying) as second:
        second.driver.extend_volume(volume.id, 8 * MIB)
    assert lvm.tagged(names.GROWING)
    with life(lvm) as third:
        assert lvm.tagged(names.GROWING) == []
        assert third.driver.extend_volume(volume.id, 8 * MIB).size == 8 * MIB


def test_a_growth_that_is_unfinished_while_the_volume_is_open_is_in_use(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = snapped(alive)
        alive.driver.initialize_connection(volume.id)
        lvm.object(volume.id).tags.add(f"{names.GROWING}{4 * MIB}")
        lvm.state.seqno += 1
        lvm.device(lvm.object(volume.id)).opened = 1
        with pytest.raises(InUse, match="while its growth is unfinished"):
            alive.driver.extend_volume(volume.id, 8 * MIB)


def test_without_wiping_nothing_is_reserved(lvm: FakeLvm) -> None:
    with life(lvm, wipe="none") as alive:
        volume = alive.volume()
        del alive.process.changes[:]
        alive.driver.extend_volume(volume.id, 8 * MIB)
        assert [what.split()[1] for what in alive.process.changes] == [
            "lvchange",
            "lvextend",
            "lvchange",
        ]


def test_zeroed_extents_that_somebody_took_are_missed_before_the_volume_grows(
    lvm: FakeLvm,
) -> None:
    """Without them LVM would choose extents that nobody has zeroed."""
    with life(lvm) as alive:
        volume = alive.volume()
        stained(lvm)

        def take(what: str) -> None:
            if what.startswith("zero tmp-tail"):
                for tail in lvm.tagged(names.TAIL):
                    tail.tags.clear()
                    lvm.state.seqno += 1

        alive.process.meanwhile = take
        with pytest.raises(Unavailable, match="zeroed"):
            alive.driver.extend_volume(volume.id, 5 * MIB)
        assert alive.driver.get_volume(volume.id).size == 4 * MIB


def test_the_zeroed_extents_are_taken_and_not_others_that_lvm_would_like_better(
    tmp_path: Path,
) -> None:
    lvm = FakeLvm(tmp_path, {"/dev/sda": 40})
    with life(lvm) as alive:
        other = alive.volume("other", 20 * MIB)
        volume = alive.volume()
        stained(lvm)
        lvm.write(lvm.object(other.id), "others")

        def give_back(what: str) -> None:
            if what.startswith("lvm lvremove") and "tmp-tail" in what:
                lvm.state.lvs.pop(lvm.object(other.id).uuid)

        alive.process.meanwhile = give_back
        alive.driver.extend_volume(volume.id, 8 * MIB)
    assert "others" not in lvm.content(lvm.object(volume.id))[4:]


@given(
    st.integers(1, 4096),
    st.sampled_from([4 * KIB, 8 * KIB, 64 * KIB, 512 * KIB]),
    st.sampled_from([MIB, 4 * MIB, 32 * MIB]),
)
def test_an_area_has_a_chunk_for_every_chunk_and_its_tables(
    extents: int, chunk: int, extent: int
) -> None:
    """By the kernel's dm-snapshot: a header, then tables of 16 bytes a chunk, each before its run."""
    origin = extents * extent
    area = cow_extents(origin, chunk, extent) * extent // chunk
    entries = chunk // 16
    needed = 1
    for begin in range(0, origin // chunk, entries):
        needed += 1 + min(entries, origin // chunk - begin)
    assert needed <= area


@pytest.mark.parametrize(("origin", "extent", "area"), [(64, 4, 17), (60, 1, 61)])
def test_an_area_is_as_large_as_lvms_own(origin: int, extent: int, area: int) -> None:
    """What LVM 2.03.16 calls the maximum COW size, with chunks of 4 KiB."""
    assert cow_extents(origin * MIB, 4096, extent * MIB) == area
