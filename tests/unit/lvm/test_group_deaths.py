"""Whoever dies in a group snapshot or in its deletion, everybody sees all of it or nothing."""

from __future__ import annotations

from itertools import count

import pytest

from tests.fakes.lvm import FakeLvm, Moment
from tests.fakes.lvm.driver import life, survives
from tests.unit.lvm.test_groups import OLD, OPTIONS, cut, filled, held, marked


@pytest.mark.parametrize("moment", Moment)
def test_a_death_anywhere_leaves_all_or_nothing(lvm: FakeLvm, moment: Moment) -> None:
    with life(lvm, **OPTIONS) as first:
        ids = filled(first)
    for number in range(100):
        now = lvm.copy()
        done = survives(now, lambda one: cut(one, ids), number, moment, **OPTIONS)
        with life(now, **OPTIONS) as second:
            assert len(second.driver.list_snapshots()) in (0, len(ids))
            assert marked(now) == []
            made = cut(second, ids)
            assert held(now, made) == [{f"{OLD} a"}, {f"{OLD} b"}, {f"{OLD} c"}]
            assert len(now.names()) == 2 * len(ids)
        if done:
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("moment", Moment)
def test_a_death_in_a_deletion_shows_all_or_nothing(lvm: FakeLvm, moment: Moment) -> None:
    with life(lvm, **OPTIONS) as first:
        made = cut(first, filled(first))
    for number in range(100):
        now = lvm.copy()
        done = survives(
            now, lambda one: one.driver.delete_group_snapshot(made.id), number, moment, **OPTIONS
        )
        with life(now, **OPTIONS) as second:
            left = second.driver.list_snapshots()
            assert list(left) in ([], list(made.snapshots))
            second.driver.delete_group_snapshot(made.id)
            assert len(now.names()) == 3
        if done:
            return
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("first", Moment)
@pytest.mark.parametrize("second", Moment)
def test_two_deaths_in_a_deletion_show_all_or_nothing(
    lvm: FakeLvm, first: Moment, second: Moment
) -> None:
    """The second one is of who removes what the first one left."""
    with life(lvm, **OPTIONS) as one:
        made = cut(one, filled(one))
    for number in count():
        left = lvm.copy()
        done = survives(
            left, lambda one: one.driver.delete_group_snapshot(made.id), number, first, **OPTIONS
        )
        for again in count():
            now = left.copy()
            ended = survives(now, lambda _one: None, again, second, **OPTIONS)
            with life(now, **OPTIONS) as third:
                assert list(third.driver.list_snapshots()) in ([], list(made.snapshots))
            if ended:
                break
        if done:
            break
