"""One report for everybody, made again only when something changed, and old ones where LVM is stuck."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from drivers.errors import Busy, Unavailable
from drivers.exec import deadline
from drivers.lvm.headers import Fingerprint
from drivers.lvm.inventory import TRIES, Inventory
from drivers.lvm.report import Group

GROUP = Group("vg", "u", 1, 100, 0, 0, 0, ())


class Source:
    """A group whose free extents are the number of its last change, and a door that can be shut."""

    def __init__(self) -> None:
        self.change = 0
        self.reports = 0
        self.open = threading.Event()
        self.open.set()
        self.asked = threading.Semaphore(0)
        self.changes_while_reporting = 0
        self.broken = False
        self.lost = False

    def report(self) -> Group:
        self.reports += 1
        seen = self.change
        self.asked.release()
        self.open.wait(10)
        if self.broken:
            raise Unavailable("LVM is broken")
        if self.changes_while_reporting:
            self.changes_while_reporting -= 1
            self.change += 1
        return replace(GROUP, free=seen)

    def fingerprint(self) -> Fingerprint:
        if self.lost:
            raise Unavailable("there is no such disk")
        return (str(self.change).encode(),)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def inventory(source: Source) -> Iterator[Inventory]:
    made = Inventory(source.report, source.fingerprint)
    yield made
    source.open.set()
    made.close()


def test_nothing_is_asked_twice_while_nothing_changes(source: Source, inventory: Inventory) -> None:
    assert inventory.fresh() is inventory.fresh() is inventory.recent(1) is inventory.latest()
    assert source.reports == 1


def test_a_change_is_seen_at_once(source: Source, inventory: Inventory) -> None:
    assert inventory.fresh().free == 0
    source.change = 1
    assert inventory.fresh().free == 1
    source.change = 2
    assert inventory.recent(5).free == 2
    assert source.reports == 3


def test_before_the_first_report_nothing_is_known(source: Source, inventory: Inventory) -> None:
    with pytest.raises(Unavailable):
        inventory.latest()
    assert source.reports == 0


def test_everybody_who_asks_meanwhile_shares_one_report(
    source: Source, inventory: Inventory
) -> None:
    source.open.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(inventory.fresh) for _ in range(8)]
        assert source.asked.acquire(timeout=5)
        source.open.set()
        assert {answer.result(5).free for answer in answers} == {0}
    assert source.reports == 1


def test_a_change_during_the_report_makes_the_next_reader_look_again(
    source: Source, inventory: Inventory
) -> None:
    source.changes_while_reporting = 1
    assert inventory.fresh().free == 1
    assert source.reports == 2


def test_a_group_that_never_stands_still_is_answered_all_the_same(
    source: Source, inventory: Inventory
) -> None:
    source.changes_while_reporting = 1000
    assert inventory.fresh().free == TRIES - 1
    assert source.reports == TRIES


def test_while_lvm_is_stuck_the_last_answer_is_given(source: Source, inventory: Inventory) -> None:
    inventory.fresh()
    source.change = 1
    source.open.clear()
    began = time.monotonic()
    assert inventory.recent(0.05).free == 0
    assert inventory.latest().free == 0
    assert time.monotonic() - began < 1
    source.open.set()
    assert inventory.fresh().free == 1


def test_whoever_needs_the_truth_is_told_to_ask_again_at_the_deadline(
    source: Source, inventory: Inventory
) -> None:
    inventory.fresh()
    source.change = 1
    source.open.clear()
    token = deadline.set(time.monotonic() + 0.05)
    try:
        with pytest.raises(Busy):
            inventory.fresh()
    finally:
        deadline.reset(token)


def test_a_report_that_fails_is_told_and_forgotten(source: Source, inventory: Inventory) -> None:
    source.broken = True
    with pytest.raises(Unavailable, match="broken"):
        inventory.fresh()
    with pytest.raises(Unavailable, match="broken"):
        inventory.recent(5)
    source.broken = False
    assert inventory.fresh().free == 0
    source.broken = True
    source.change = 1
    assert inventory.recent(5).free == 0
    with pytest.raises(Unavailable, match="broken"):
        inventory.fresh()


def test_what_cannot_be_read_is_trouble_until_it_can(source: Source, inventory: Inventory) -> None:
    inventory.fresh()
    source.change = 1
    source.broken = True
    assert inventory.recent(5).free == 0
    assert "broken" in inventory.trouble
    source.broken = False
    inventory.fresh()
    assert inventory.trouble == ""


def test_a_disk_that_cannot_be_read_is_trouble_though_nobody_asks_lvm(
    source: Source, inventory: Inventory
) -> None:
    inventory.fresh()
    source.lost = True
    for ask in (inventory.fresh, inventory.fingerprint, lambda: inventory.recent(1)):
        with pytest.raises(Unavailable, match="no such disk"):
            ask()
    assert "no such disk" in inventory.trouble
    assert source.reports == 1
    source.lost = False
    assert inventory.fresh().free == 0
    assert inventory.trouble == ""


def test_lvm_that_is_busy_is_no_trouble(source: Source, inventory: Inventory) -> None:
    inventory.fresh()
    source.change = 1
    source.open.clear()
    assert inventory.recent(0.05).free == 0
    assert inventory.trouble == ""
