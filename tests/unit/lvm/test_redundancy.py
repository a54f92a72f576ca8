"""A RAID volume that lost a copy is counted, whoever knows of it: LVM's metadata or the kernel alone."""

from __future__ import annotations

import pytest

from drivers.lvm.redundancy import KEPT, Redundancy
from drivers.lvm.report import Group
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import Life, life


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def group(alive: Life) -> Group:
    return alive.driver._group.read()


@pytest.mark.parametrize("layout", ["raid1", "raid10"])
def test_a_disk_that_the_kernel_gave_up_is_seen(lvm: FakeLvm, layout: str) -> None:
    with life(lvm) as alive:
        alive.driver.initialize_connection(alive.volume("r", layout=layout).id)
        alive.volume("plain", layout="linear")
        clock = Clock()
        redundancy = Redundancy(alive.driver._group, clock)
        assert redundancy.lost(group(alive)) == 0
        lvm.failed.add("/dev/sdb")
        assert redundancy.lost(group(alive)) == 0
        clock.now += KEPT
        assert redundancy.lost(group(alive)) == 1
        lvm.failed.clear()
        clock.now += KEPT
        assert redundancy.lost(group(alive)) == 0


def test_looking_runs_no_lvm(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        alive.driver.initialize_connection(alive.volume("r", layout="raid1").id)
        now, events = group(alive), len(alive.process.events)
        assert Redundancy(alive.driver._group).lost(now) == 0
        assert len(alive.process.events) == events


def test_a_volume_that_is_not_active_is_judged_by_the_metadata(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        made = lvm.object(alive.volume("r", layout="raid1").id)
        alive.volume("plain", layout="linear")
        lvm.state.deactivate(made)
        disks = {span.disk for part in lvm.state.children(made) for span in part.spans}
        lvm.state.disks[min(disks)].missing = True
        lvm.state.seqno += 1
        group(alive)
        alive.driver._redundancy = Redundancy(alive.driver._group)
        told = alive.driver.get_volume_stats({}, refresh=False)
    assert (told.degraded, told.missing_disks) == (1, 1)
    assert told.unhealthy == "1 disks are missing"


def test_the_kernel_says_nothing_of_what_is_not_active(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        made = lvm.object(alive.volume("r", layout="raid1").id)
        assert lvm.state.device(made) is None
        lvm.failed.add("/dev/sdb")
        assert Redundancy(alive.driver._group).lost(group(alive)) == 0
