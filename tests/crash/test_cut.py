"""Death in the middle of a cut, of each process that has part in it, and of all of them.

Before every call of the kernel: the placeholders are being emptied, the devices suspended, snapshot, or
resumed. Afterwards no device is suspended, nobody sees a member, and the same call succeeds: where the
driver lives it has said so by ABORTED, where it died the next one cleans up.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pytest

from drivers.errors import Busy
from drivers.lvm import cut, devicemapper
from drivers.lvm.moment import LIMIT, Plan, Taken, cut_together
from tests.crash import grouping
from tests.crash.container import contained
from tests.crash.content import look
from tests.crash.disks import Disks, Kept, wait_for_orphans
from tests.crash.life import live
from tests.crash.node import Home, Node, running
from tests.crash.points import POOL_OPTIONS

pytestmark = [pytest.mark.lab, pytest.mark.fault, pytest.mark.timeout(7200)]

MEMBERS = len(grouping.NAMES)
CALLS = 5 * MEMBERS
"""Of the kernel, for each member: empty, suspend, snapshot, look whether it is suspended still, resume."""
DYING = Path(__file__).with_name("dying.py")

Bases = Callable[[bool], Kept]


@pytest.fixture(scope="module")
def home(disks: Disks, bases: Bases) -> Home:
    """A group with a pool."""
    disks.set_back(bases(True))
    return Home(disks, POOL_OPTIONS)


@pytest.fixture(scope="module")
def ids(home: Home) -> dict[str, str]:
    """Three volumes in it, which are connected."""

    def prepare(node: Node) -> dict[str, str]:
        grouping.filled(node)
        grouping.connected(node)
        return node.ids

    return live(lambda door: alone(home, prepare, door)).answer


def points(config: pytest.Config) -> Sequence[int]:
    """The numbers of the calls; as a sample, one in the middle of each kind."""
    once = range(1, CALLS, MEMBERS) if config.getoption("sample") else range(CALLS)
    return list(once) * config.getoption("rounds")


@pytest.mark.parametrize("who", ["itself", "guardian", "both", "lingers"])
def test_the_driver_takes_back_what_broke_off(
    home: Home, ids: dict[str, str], who: str, pytestconfig: pytest.Config
) -> None:
    for number in points(pytestconfig):
        if who == "lingers" and number < MEMBERS:
            continue  # nobody is held up yet
        told = live(lambda door, at=number: alone(home, partial(broken_off, who, at), door, ids))
        refused, seconds = told.answer
        is_early = who == "guardian" and number < MEMBERS
        assert refused or is_early, f"{who} {number}: the cut was taken for good"
        assert seconds < LIMIT + 20, f"{who} {number}"


def broken_off(who: str, number: int, node: Node) -> tuple[bool, float]:
    """A cut in which somebody dies; whether it was refused, and after how many seconds."""
    node.driver._group.cutter = partial(cut_together, program=dying(who, number))
    began, refused = time.monotonic(), False
    try:
        grouping.cut(node)
    except Busy:
        refused = True
        assert_nothing_is_left(node)
    seconds = time.monotonic() - began
    node.driver._group.cutter = cut_together
    again(node)
    return refused, seconds


def doomed(who: str, number: int, node: Node) -> None:
    """A cut in which the driver dies."""
    node.driver._group.cutter = partial(cut_together, program=dying(who, number))
    grouping.cut(node)


@pytest.mark.parametrize("who", ["driver", "abandoned", "all"])
def test_the_next_driver_takes_back_what_a_dead_one_began(
    home: Home, ids: dict[str, str], who: str, pytestconfig: pytest.Config
) -> None:
    for number in points(pytestconfig):
        life = live(lambda door, at=number: alone(home, partial(doomed, who, at), door, ids))
        assert life.killed, f"{who} {number}"
        if who != "all":
            wait_for_orphans()
            assert suspended(home) == [], f"{who} {number}: the guardian did not let them go on"
        live(lambda door: alone(home, taken_back, door, ids))


@pytest.mark.parametrize("who", ["driver", "abandoned"])
def test_in_a_container_they_go_on_before_it_has_ended(
    home: Home, ids: dict[str, str], who: str, pytestconfig: pytest.Config
) -> None:
    """The kernel kills all that is in it when its first process ends; so that one waits for the guardian."""

    for number in points(pytestconfig):
        act = partial(doomed, who, number)
        life = live(lambda door, it=act: contained(lambda: alone(home, it, door, ids)))
        assert life.killed, f"{who} {number}"
        assert suspended(home) == [], f"{who} {number}"
        live(lambda door: alone(home, taken_back, door, ids))


def test_the_program_may_die_between_its_last_look_and_the_word(
    home: Home, ids: dict[str, str]
) -> None:
    told = live(lambda door: alone(home, partial(early, cutting), door, ids))
    assert told.answer, "the cut was taken for good"


def test_the_driver_may_die_between_the_last_look_and_its_word(
    home: Home, ids: dict[str, str]
) -> None:
    life = live(lambda door: alone(home, partial(early, lambda: [os.getpid()]), door, ids))
    assert life.killed
    wait_for_orphans()
    assert suspended(home) == []
    live(lambda door: alone(home, taken_back, door, ids))


def early(doomed: Callable[[], Sequence[int]], node: Node) -> bool:
    """A cut in which somebody dies while the program has the lock and waits; True if it was refused."""

    def cutter(group: str, plan: Plan, is_current: Callable[[], bool]) -> Taken:
        def last_look() -> bool:
            for each in doomed():
                os.kill(each, signal.SIGKILL)
            return is_current()

        return cut_together(group, plan, last_look)

    node.driver._group.cutter = cutter
    with pytest.raises(Busy):
        grouping.cut(node)
    assert_nothing_is_left(node)
    node.driver._group.cutter = cut_together
    again(node)
    return True


def cutting() -> Sequence[int]:
    """The program that cuts, which a thread of this process has begun."""
    told = [each.read_text() for each in Path("/proc/self/task").glob("*/children")]
    begun = [int(each) for text in told for each in text.split()]
    found = [
        each
        for each in begun
        if cut.__file__.encode() in Path(f"/proc/{each}/cmdline").read_bytes()
    ]
    assert found, "nobody cuts"
    return found


def taken_back(node: Node) -> None:
    assert_nothing_is_left(node)
    again(node)


def test_nothing_is_left_in_the_pool_that_lvm_does_not_know(
    home: Home, ids: dict[str, str]
) -> None:
    """A number that the pool knows and LVM does not would show its old data in the next new volume."""

    def looks_empty(node: Node) -> None:
        for number in range(12):
            node.create(f"new {number}", grouping.SIZE)
            with node.connected(f"new {number}") as connection:
                assert connection.path.read_bytes() == bytes(grouping.SIZE)
            node.delete(f"new {number}")

    live(lambda door: alone(home, looks_empty, door, ids))


def alone(
    home: Home, act: Callable[[Node], object], door: object, ids: dict[str, str] | None = None
) -> object:
    """One act of a process of its own."""
    with running(home, door, ids or {}) as node:  # type: ignore[arg-type]
        return act(node)


def dying(who: str, number: int) -> list[str]:
    return [sys.executable, "-I", "-S", str(DYING), who, str(number), cut.__file__]


def again(node: Node) -> None:
    """The same call succeeds, and is taken back."""
    grouping.connected(node)
    made = grouping.cut(node)
    assert len(made.snapshots) == MEMBERS
    assert node.driver.list_snapshots() == list(made.snapshots)
    node.driver.delete_group_snapshot(made.id)
    assert_nothing_is_left(node)


def assert_nothing_is_left(node: Node) -> None:
    _, group = look(node.home)
    assert suspended(node.home) == []
    assert [lv.name for lv in group.lvs.values() if lv.name.startswith("cut-")] == []
    assert node.driver.list_snapshots() == []


def suspended(home: Home) -> list[str]:
    devices = devicemapper.devices(home.disks.prefix)
    return [each.name for each in devices if each.suspended]
