"""A growth is proven before anybody may use its new part, however often it is tried."""

from __future__ import annotations

import re

import pytest

from drivers.errors import Busy, Exhausted, Unavailable
from drivers.lvm import commands, names
from drivers.model import MIB, Volume
from tests.fakes.lvm import Died, FakeLvm, Process
from tests.fakes.lvm.driver import life, lived
from tests.fakes.lvm.state import Span


def elsewhere(lvm: FakeLvm, volume: Volume) -> None:
    """Move the last extents of the volume to others, as if LVM had chosen these."""
    lv = lvm.object(volume.id)
    count = sum(span.count for span in lv.segments.pop())
    first = lvm.state.free("/dev/sdd")[0]
    lv.segments.append((Span("/dev/sdd", first, count),))


def test_a_volume_on_other_extents_than_the_zeroed_ones_is_never_called_grown(
    lvm: FakeLvm,
) -> None:
    with life(lvm) as alive:
        volume = alive.volume()

        def misplace(what: str) -> None:
            if "fullreport" in what and len(lvm.object(volume.id).segments) > 1:
                alive.process.meanwhile = lambda _what: None
                elsewhere(lvm, volume)

        alive.process.meanwhile = misplace
        for _try in range(2):
            with pytest.raises(Unavailable, match="onto other extents than the 4 that were zeroed"):
                alive.driver.extend_volume(volume.id, 8 * MIB)
        with pytest.raises(Unavailable, match="onto other extents"):
            alive.driver.initialize_connection(volume.id)
    with life(lvm) as later, pytest.raises(Unavailable, match="onto other extents"):
        later.driver.extend_volume(volume.id, 8 * MIB)


def test_a_growth_that_was_cut_off_is_compared_though_the_disks_have_other_names(
    lvm: FakeLvm,
) -> None:
    with life(lvm) as first:
        volume = first.volume()
    dying = Process(lvm)
    dying.meanwhile = lambda what: dying.die_after_this() if "lvextend" in what else None
    with pytest.raises(Died), lived(dying) as second:
        second.driver.extend_volume(volume.id, 8 * MIB)
    for disk in list(lvm.state.disks):
        lvm.plug(disk, f"{disk}1")
    with life(lvm) as third:
        assert third.driver.extend_volume(volume.id, 8 * MIB).size == 8 * MIB
    assert lvm.tagged(names.GROWING) == lvm.tagged(names.ZEROED) == []


def test_a_growth_that_lvm_refused_leaves_a_volume_that_can_be_used(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        volume = alive.volume()

        def take(what: str) -> None:
            if what.startswith("lvm lvextend"):
                alive.process.meanwhile = lambda _what: None
                shape = ["--type", "linear"]
                lvm.run(commands.create_thick("vg", "x", extents=lvm.free(), shape=shape, tags=[]))

        alive.process.meanwhile = take
        with pytest.raises(Exhausted):
            alive.driver.extend_volume(volume.id, 8 * MIB)
        lvm.run(commands.remove("vg", "x"))
        assert alive.snapshot(volume).size == 4 * MIB


def test_the_end_of_the_process_does_not_wait_for_the_zeroing(lvm: FakeLvm) -> None:
    with life(lvm) as first:
        volume = first.volume()

        def close(what: str) -> None:
            if what.startswith("zero tmp-tail") and what.endswith(" 1"):
                first.driver.close()

        first.process.meanwhile = close
        with pytest.raises(Busy, match="the process that works on"):
            first.driver.extend_volume(volume.id, 20 * MIB)
        zeroed = [what for what in first.process.changes if re.match(r"zero tmp-tail\S+ \d", what)]
        assert len(zeroed) == 2
    with life(lvm) as second:
        assert lvm.tagged(names.TAIL) == []
        assert second.driver.get_volume(volume.id) == volume
        assert second.driver.extend_volume(volume.id, 20 * MIB).size == 20 * MIB
