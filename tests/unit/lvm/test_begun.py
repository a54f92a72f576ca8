"""A volume that a dead process left half made is told to whoever could make it on another node."""

from __future__ import annotations

from itertools import count

import pytest

from drivers.model import MIB
from tests.fakes.lvm import FakeLvm, Moment
from tests.fakes.lvm.driver import Life, life, survives
from tests.unit.lvm.test_crashes import LAYOUTS, OPTIONS


@pytest.mark.parametrize("layout", LAYOUTS)
def test_wherever_its_maker_died_it_has_begun_or_nothing_is_there(
    lvm: FakeLvm, layout: str
) -> None:
    def make(one: Life) -> None:
        one.volume("made", 4 * MIB, layout=layout)

    begun = 0
    for number in count():
        now = lvm.copy()
        ended = survives(now, make, number, Moment.AFTER, **OPTIONS)
        with life(now, **OPTIONS) as second:
            assert second.driver.has_begun_volume("made") == bool(now.tagged("hearth.id="))
            begun += second.driver.has_begun_volume("made") and not ended
            assert not second.driver.has_begun_volume("other")
        if ended:
            break
    assert begun, "no death left anything"


def test_one_that_is_being_deleted_has_not_begun(lvm: FakeLvm) -> None:
    with life(lvm, **OPTIONS) as one:
        volume = one.volume("made", 4 * MIB, layout="linear")
        assert one.driver.has_begun_volume("made")
        one.driver.delete_volume(volume.id)
        assert not one.driver.has_begun_volume("made")
