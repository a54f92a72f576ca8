"""As `test_crash`, for groups: whatever a process dies at, all members are there or none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import cast

import pytest

from drivers.compliance import crash
from drivers.compliance.bench import Bench, pattern
from drivers.compliance.marks import DEATHS, checks
from drivers.compliance.subjects import Bed
from drivers.compliance.test_crash import Act, Case, rehearse, told_of
from drivers.compliance.test_groups import cut, filled, shows
from drivers.groups import GroupSnapshotSpec
from drivers.interface import GroupDriver, VolumeDriver

MEMBERS = 3


def grouping(driver: VolumeDriver) -> GroupDriver:
    """The driver by its ability to freeze several volumes together."""
    return cast(GroupDriver, driver)


def moment() -> Case:
    def prepare(bench: Bench) -> Act:
        spec = GroupSnapshotSpec("moment", tuple(each.id for each in filled(bench)))
        return lambda driver: grouping(driver).create_group_snapshot(spec)

    def verify(bench: Bench) -> None:
        (made,) = bench.groups.list_group_snapshots()
        assert bench.snapshots.list_snapshots() == list(made.snapshots)
        for volume in bench.driver.list_volumes():
            bench.write(volume.id, pattern(9, volume.size))
        assert shows(bench, made)

    return Case(prepare, verify)


def no_moment() -> Case:
    def prepare(bench: Bench) -> Act:
        made = cut(bench, filled(bench))
        return lambda driver: grouping(driver).delete_group_snapshot(made.id)

    def verify(bench: Bench) -> None:
        assert not bench.groups.list_group_snapshots()
        assert not bench.snapshots.list_snapshots()
        assert len(bench.driver.list_volumes()) == MEMBERS

    return Case(prepare, verify)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(moment, marks=checks("create_group_snapshot", "list_group_snapshots")),
        pytest.param(no_moment, marks=checks("delete_group_snapshot", "list_group_snapshots")),
    ],
)
def test_a_killed_process_leaves_all_members_or_none(
    bed: Bed,
    make: Callable[[], Case],
    point_limit: int | None,
    request: pytest.FixtureRequest,
) -> None:
    case = make()
    steps = rehearse(bed, case)
    chosen = crash.points(len(steps), point_limit)
    for number in chosen:
        with told_of(f"killed before step {number + 1} of {len(steps)}: {steps[number]}"):
            die_once(bed, case, number)
    request.node.user_properties.append((DEATHS, len(chosen)))


def die_once(bed: Bed, case: Case, number: int) -> None:
    """One death; what the next process shows at once, and what the repeated call makes of it."""
    with closing(Bench(bed)) as bench:
        bench.clear()
        idle = bench.provisioned
        act = case.prepare(bench)
    crash.live(bed, act, kill_before=number)
    with closing(Bench(bed)) as bench:
        assert len(bench.snapshots.list_snapshots()) in (0, MEMBERS)
        bench.done(act, bench.driver)
        case.verify(bench)
        bench.clear()
        bench.done(bench.settled, idle)
