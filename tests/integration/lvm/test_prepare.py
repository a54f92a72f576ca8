"""`hearth backend create` on real disks: all of it is made, or nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.errors import Invalid
from drivers.exec import Host
from drivers.lvm.prepare import DEFAULT_METADATA, Plan, check, create, largest_pool
from drivers.model import MIB
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SIZES = [1320 * MIB, 1301 * MIB + 512]
OLD = bench.BLOCK


@pytest.fixture
def plan() -> Iterator[Plan]:
    """A group with a pool on two disks that hold somebody's bytes, but no signature."""
    with bench.disks(SIZES) as devices:
        for device in devices:
            with Path(device).open("r+b", 0) as disk:
                disk.seek(8 * MIB)
                disk.write(OLD)
        yield Plan(bench.VG, devices, thin_pool="pool", wipe=True)
        if bench.VG in bench.sh("lvm", "vgs", "--noheadings", "-o", "vg_name"):
            bench.sh("lvm", "vgremove", "--yes", "-ff", bench.VG)
        for device in devices:
            bench.sh("wipefs", "--all", "--force", device)


@pytest.mark.parametrize("metadata", [None, MIB, 5 * MIB + 512, DEFAULT_METADATA])
def test_the_largest_pool_is_made(plan: Plan, metadata: int | None) -> None:
    plan = replace(plan, metadata_size=metadata, wipe=False)
    size = largest_pool(SIZES, plan.metadata)
    list(create(Host(), replace(plan, pool_size=size)))
    shown = bench.sh(
        "lvm", "lvs", "--noheadings", "--units", "b", "--nosuffix", "-o", "size", bench.VG
    )
    assert int(shown) == size


def test_without_a_size_the_pool_takes_the_room_there_is(plan: Plan) -> None:
    list(create(Host(), plan))
    shown = bench.sh("lvm", "vgs", "--noheadings", "-o", "vg_free_count", bench.VG)
    assert int(shown) == 0
    assert bench.count_old(Path(plan.devices[0])) == 0


def test_a_rehearsal_changes_nothing_and_refuses_the_same(plan: Plan) -> None:
    before = [bench.count_old(Path(each)) for each in plan.devices]
    check(Host(), plan)
    with pytest.raises(Invalid):
        check(Host(), replace(plan, pool_size=0))
    assert [bench.count_old(Path(each)) for each in plan.devices] == before
    assert bench.VG not in bench.sh("lvm", "vgs", "--noheadings", "-o", "vg_name")


def test_nothing_is_changed_for_a_plan_that_cannot_be(plan: Plan) -> None:
    largest = largest_pool(SIZES, DEFAULT_METADATA)
    for wrong in (
        replace(plan, pool_size=largest + 1),
        replace(plan, pool_size=0),
        replace(plan, metadata_size=70 * MIB),
        replace(plan, volume_group="a/b"),
        replace(plan, thin_pool=None, pool_size=MIB),
    ):
        with pytest.raises(Invalid):
            list(create(Host(), wrong))
    assert not bench.sh("lvm", "pvs", "--noheadings", "-o", "pv_name").count("hearthpv")
    assert [bench.count_old(Path(device)) for device in plan.devices] == [1, 1]
