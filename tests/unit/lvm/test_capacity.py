"""Room: what GetCapacity answers is what a create is held to, to the extent."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import Exhausted, Unavailable
from drivers.model import MIB, UNKNOWN, VolumeStats
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import Life, life, wanted

POOL: dict[str, Any] = {"thinPools": ["pool"]}
LAYOUTS: list[dict[str, Any]] = [
    {"layout": "linear"},
    {"layout": "striped"},
    {"layout": "striped", "stripes": "3"},
    {"layout": "striped", "stripes": "4"},
    {"layout": "raid1"},
    {"layout": "raid10"},
]


def stats(alive: Life, *, refresh: bool = True, **options: str) -> VolumeStats:
    return alive.driver.get_volume_stats(options, refresh=refresh)


def fragmented(directory: Path) -> FakeLvm:
    """Four unequal disks with holes between what is taken."""
    lvm = FakeLvm(directory, {"/dev/sda": 40, "/dev/sdb": 31, "/dev/sdc": 23, "/dev/sdd": 17})
    for disk in lvm.state.disks:
        for number, spot in enumerate(("3-4", "9-12", "14-14")):
            lvm.run(["lvm", "lvcreate", "--yes", "--zero", "n", "--wipesignatures", "n", "--type",
                     "linear", "--extents", str(length(spot)), "--name",
                     f"other{disk[-1]}{number}", "--", "vg", f"{disk}:{spot}"])  # fmt: skip
    return lvm


def length(spot: str) -> int:
    first, _, last = spot.partition("-")
    return int(last) - int(first) + 1


@pytest.mark.parametrize("options", LAYOUTS, ids=lambda options: "-".join(options.values()))
def test_the_largest_volume_is_made_and_one_extent_more_is_not(
    options: dict[str, Any], tmp_path: Path
) -> None:
    with life(fragmented(tmp_path)) as alive:
        told = stats(alive, **options)
        assert isinstance(told.max_volume_size, int)
        assert told.max_volume_size > 0
        assert told.max_volume_size % told.allocation_unit == 0
        with pytest.raises(Exhausted):
            alive.volume("more", told.max_volume_size + told.allocation_unit, **options)
        assert alive.volume("most", told.max_volume_size, **options).size == told.max_volume_size


def test_a_reserve_is_left_free_by_both(lvm: FakeLvm) -> None:
    with life(lvm, reserve=10 * MIB + 1) as alive:
        told = stats(alive)
        assert told.free_capacity == told.max_volume_size == (99 - 11) * MIB
        with pytest.raises(Exhausted, match="11 are reserved"):
            alive.volume("more", 89 * MIB)
        alive.volume("most", 88 * MIB)
        assert stats(alive).max_volume_size == 0
    assert lvm.free() == 11


@pytest.mark.parametrize("layout", ["raid1", "raid10", "striped"])
def test_what_a_layout_takes_beside_its_data_leaves_the_reserve_alone(
    lvm: FakeLvm, layout: str
) -> None:
    with life(lvm, reserve=40 * MIB) as alive:
        most = stats(alive, layout=layout).max_volume_size
        assert isinstance(most, int)
        alive.volume("most", most, layout=layout)
    assert lvm.free() >= 40


def test_more_stripes_than_disks_have_no_room_anywhere(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        assert stats(alive, layout="striped", stripes="5").max_volume_size == 0
        assert stats(alive, layout="raid10", stripes="3").max_volume_size == 0
        with pytest.raises(Exhausted):
            alive.volume("v", 10 * MIB, layout="striped", stripes="5")


def test_totals(lvm: FakeLvm) -> None:
    with life(lvm, **POOL) as alive:
        alive.volume("thin", 6 * MIB)
        alive.volume("thick", 5 * MIB, layout="linear")
        thin, thick = stats(alive), stats(alive, layout="linear")
    assert (thin.total_capacity, thin.provisioned_capacity, thin.free_capacity) == (
        16 * MIB, 6 * MIB, 10 * MIB,
    )  # fmt: skip
    assert (thick.total_capacity, thick.provisioned_capacity, thick.free_capacity) == (
        116 * MIB, (17 + 5) * MIB, 94 * MIB,
    )  # fmt: skip
    assert (thin.volumes, thin.snapshots, thin.wiping) == (2, 0, 0)


def test_a_pool_promises_its_size_times_the_ratio(lvm: FakeLvm) -> None:
    with life(lvm, overcommit=1.5, **POOL) as alive:
        assert stats(alive).max_volume_size == 24 * MIB
        volume = alive.volume("v", 20 * MIB)
        alive.snapshot(volume)
        assert stats(alive).max_volume_size == 4 * MIB
        with pytest.raises(Exhausted, match="pool has 4194304"):
            alive.volume("more", 5 * MIB)
        with pytest.raises(Exhausted):
            alive.driver.extend_volume(volume.id, 25 * MIB)
        alive.driver.extend_volume(volume.id, 24 * MIB)
        assert stats(alive).free_capacity == 0


def test_the_pool_with_the_most_room_is_taken(lvm: FakeLvm) -> None:
    lvm.add_pool("large", 20)
    with life(lvm, thinPools=["pool", "large"]) as alive:
        assert stats(alive).max_volume_size == 20 * MIB
        assert stats(alive).total_capacity == 36 * MIB
        first = lvm.object(alive.volume("a", 5 * MIB).id)
        second = lvm.object(alive.volume("b", 5 * MIB).id)
        assert [lvm.state.lvs[lv.pool].name for lv in (first, second)] == ["large", "pool"]


@pytest.mark.parametrize(
    ("fill", "told"),
    [
        ("1 16/2048 973/1024", "data 95.0% of 95%"),
        ("1 1434/2048 0/1024", "metadata 70.0% of 70%"),
    ],
)
def test_above_a_watermark_there_is_no_room(lvm: FakeLvm, fill: str, told: str) -> None:
    with life(lvm, overcommit=4, **POOL) as alive:
        volume = alive.volume()
        lvm.fill = fill
        assert stats(alive).max_volume_size == 0
        with pytest.raises(Exhausted, match=f"pool has 0, being above its watermark: {told}"):
            alive.volume("more")
        with pytest.raises(Exhausted, match=told):
            alive.snapshot(volume)
        with pytest.raises(Exhausted, match=told):
            alive.driver.extend_volume(volume.id, 8 * MIB)
        alive.driver.delete_volume(volume.id)


@pytest.mark.parametrize(
    ("fills", "told"),
    [
        (("1 16/2048 973/1024", "1 16/2048 1000/1024"), "watermark of 95% for data: nothing new"),
        (
            ("1 1434/2048 0/1024", "1 1500/2048 9/1024"),
            "watermark of 70% for metadata: nothing new",
        ),
    ],
)
def test_a_warning_has_the_same_words_while_a_pool_is_above_its_watermark(
    lvm: FakeLvm, fills: tuple[str, str], told: str
) -> None:
    with life(lvm, **POOL) as alive:
        assert stats(alive).warning == ""
        lvm.fill = fills[0]
        first = stats(alive).warning
        lvm.fill = fills[1]
        assert first.startswith("thin pool vg/pool is above its ")
        assert told in first
        assert stats(alive).warning == first
        lvm.fill = "Fail"
        assert stats(alive).warning == ""


@pytest.mark.parametrize("fill", ["1 16/2048 972/1024", "1 1433/2048 0/1024"])
def test_below_the_watermarks_there_is(lvm: FakeLvm, fill: str) -> None:
    lvm.fill = fill
    with life(lvm, **POOL) as alive:
        alive.snapshot(alive.volume())


def test_the_fill_is_told(lvm: FakeLvm) -> None:
    lvm.fill = "1 512/2048 256/1024"
    with life(lvm, **POOL) as alive:
        told = stats(alive)
        assert (told.data_ratio, told.metadata_ratio) == (0.25, 0.25)
    with life(lvm) as alive:
        assert stats(alive).data_ratio is None


def test_a_pool_that_failed_is_unavailable_and_not_empty(lvm: FakeLvm) -> None:
    with life(lvm, **POOL) as alive:
        lvm.state.devices.pop(lvm.state.dm_uuid(lvm.lv("pool")))
        with pytest.raises(Unavailable, match="pool is not active or has failed"):
            alive.volume()


def test_the_temporary_snapshot_of_a_copy_promises_nothing(lvm: FakeLvm) -> None:
    with life(lvm, **POOL) as alive:
        volume = alive.volume("v", 6 * MIB)
        told: set[object] = set()

        def look(what: str) -> None:
            if what.startswith("copy "):
                told.add(stats(alive).free_capacity)

        alive.process.meanwhile = look
        alive.driver.create_cloned_volume(wanted("made", 6 * MIB, layout="linear"), volume.id)
    assert told == {10 * MIB}


def test_a_raid_volume_that_grows_needs_no_metadata_again(tmp_path: Path) -> None:
    lvm = FakeLvm(tmp_path, {"/dev/sda": 20, "/dev/sdb": 20})
    with life(lvm) as alive:
        volume = alive.volume(layout="raid1")
        assert lvm.free() == 30
        assert alive.driver.extend_volume(volume.id, 19 * MIB).size == 19 * MIB
    assert lvm.free() == 0


def asked(alive: Life) -> int:
    return sum("--test" in event.what for event in alive.process.events)


def test_lvm_is_asked_once_as_long_as_nothing_changes(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        first = stats(alive, layout="raid1").max_volume_size
        count = asked(alive)
        assert count > 0
        assert stats(alive, layout="raid1").max_volume_size == first
        assert asked(alive) == count
        alive.volume("v", 7 * MIB)
        stats(alive, layout="raid1")
        assert asked(alive) > count


def test_metrics_ask_nothing(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        assert stats(alive, refresh=False).max_volume_size is UNKNOWN
        known = stats(alive).max_volume_size
        alive.volume("v", 7 * MIB)
        events = len(alive.process.events)
        assert stats(alive, refresh=False).max_volume_size == known
        assert len(alive.process.events) == events


def test_nobody_waits_for_a_change_that_is_under_way(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        known = stats(alive).max_volume_size
        at_it, go = threading.Event(), threading.Event()

        def hold(what: str) -> None:
            if "lvcreate" in what and "--test" not in what:
                at_it.set()
                assert go.wait(10)

        alive.process.meanwhile = hold
        caller = threading.Thread(target=alive.volume)
        caller.start()
        assert at_it.wait(5)
        began = time.monotonic()
        assert stats(alive).max_volume_size == known
        assert time.monotonic() - began < 0.5
        go.set()
        caller.join(10)
        alive.process.meanwhile = lambda _what: None
        assert stats(alive).max_volume_size == 95 * MIB
    assert known == 99 * MIB
