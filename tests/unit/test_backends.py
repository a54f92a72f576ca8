"""A backend that is absent, unwell or unknown stops nobody else, and comes back by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import errors
from drivers.backends import Backend, Backends, backend_id_of, is_id
from drivers.exec import Host, deadline
from drivers.model import SizeRange, VolumeSpec
from tests.fakes.memory import MemoryDriver, MemoryOptions


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def driver(name: str, backend_id: str) -> MemoryDriver:
    return MemoryDriver(name, MemoryOptions(backend_id=backend_id), Host())


def settled(*drivers: MemoryDriver, clock: Callable[[], float] = time.monotonic) -> Backends:
    backends = Backends([Backend(each, clock=clock) for each in drivers])
    backends.start()
    for backend in backends:
        assert backend.set_up().wait(5)
    return backends


class Slow(MemoryDriver):
    """Its end needs that of another one, so that one after the other would wait for ever."""

    together = threading.Barrier(2)

    def close(self) -> None:
        self.together.wait(5)


def test_all_are_closed_at_once() -> None:
    """Kubelet waits only so long, and then kills what LVM is in the middle of."""
    slow = [Slow(each, MemoryOptions(backend_id=each), Host()) for each in ("aaa", "bbb")]
    settled(*slow).close()
    Backends([]).close()


def test_an_id_leads_to_its_backend() -> None:
    fast, slow = driver("fast", "aaa"), driver("slow", "bbb")
    backends = settled(fast, slow)
    assert backends.of("aaa.1") is fast
    assert backends.of("bbb.1") is slow
    with pytest.raises(errors.Unavailable, match=r"id ccc.*ccc\.1.*backends here: fast, slow"):
        backends.of("ccc.1")
    with pytest.raises(errors.NotFound, match="'ccc'"):
        backends.of("ccc")


def test_nothing_is_known_before_the_first_set_up_ends() -> None:
    slow = driver("slow", "bbb")
    slow.moods.set_up_gate.clear()
    backends = Backends([Backend(slow), Backend(driver("fast", "aaa"))])
    backends.start()
    assert backends.by_name["fast"].set_up().wait(5)
    before = backends.settled
    token = deadline.set(time.monotonic() + 0.1)  # a caller without patience
    with pytest.raises(errors.Unavailable, match="'slow' is still being set up"):
        backends.use(backends.by_name["slow"])
    deadline.reset(token)
    assert [each.name for each in backends.usable()] == ["fast"]
    slow.moods.set_up_gate.set()
    assert backends.by_name["slow"].set_up().wait(5)
    assert (before, backends.settled) == (False, True)
    assert backends.of("bbb.1") is slow


def test_a_failed_set_up_is_tried_again_by_whoever_asks_but_not_at_once() -> None:
    clock, fast = Clock(), driver("fast", "aaa")
    fast.moods.broken = "a disk is away"
    backends = settled(fast, clock=clock)
    backend = backends.by_name["fast"]
    for _ in range(3):
        with pytest.raises(errors.Unavailable, match="'fast' cannot be used: a disk is away"):
            backends.use(backend)
    assert fast.set_ups == 1
    fast.moods.broken = ""
    clock.now += 10
    assert backends.use(backend) is fast
    assert fast.set_ups == 2


def test_one_that_was_seen_and_is_not_well_answers_for_its_ids() -> None:
    unwell = MemoryDriver("fast", MemoryOptions(backend_id="aaa", unit=0), Host())
    backends = settled(unwell)
    with pytest.raises(errors.Unavailable, match="'fast' cannot be used: unit is below 1"):
        backends.of("aaa.1")


def test_one_that_falls_ill_later_is_set_up_again() -> None:
    clock, fast = Clock(), driver("fast", "aaa")
    backends = settled(fast, clock=clock)
    fast.moods.unhealthy = "1 disk is missing"
    clock.now += 10
    assert backends.of("aaa.1") is fast  # the set-up has cured it
    assert fast.set_ups == 2


def test_who_asks_for_its_room_does_not_wait_for_a_set_up() -> None:
    clock, fast = Clock(), driver("fast", "aaa")
    fast.moods.broken = "a disk is away"
    backends = settled(fast, clock=clock)
    backend = backends.by_name["fast"]
    fast.moods.broken = ""
    fast.moods.set_up_gate.clear()
    clock.now += 10
    assert backends.stats(backend, {}, refresh=True) is None
    fast.moods.set_up_gate.set()
    assert backend.set_up().wait(5)
    assert backends.stats(backend, {}, refresh=True) is not None


def test_absent_is_told_from_away() -> None:
    clock, fast = Clock(), driver("fast", "aaa")
    fast.moods.absent = True
    backends = settled(fast, driver("slow", "bbb"), clock=clock)
    backend = backends.by_name["fast"]
    with pytest.raises(errors.Absent, match="'fast' is not on this node"):
        backends.use(backend)
    assert [each.name for each in backends.all()] == ["slow"]
    assert backends.complete
    fast.moods.absent = False
    clock.now += 10
    assert backends.use(backend) is fast
    fast.moods.absent, fast.moods.unhealthy = True, "its disks have gone"
    clock.now += 10
    with pytest.raises(errors.Unavailable) as caught:
        backends.all()  # what was here holds volumes: a list without them would be wrong
    assert not isinstance(caught.value, errors.Absent)


def test_the_second_backend_on_one_storage_is_refused() -> None:
    first, second = driver("first", "same"), driver("second", "same")
    backends = settled(first, second)
    assert backends.of("same.1") is first
    with pytest.raises(errors.Unavailable, match="'second' is on the storage of backend 'first'"):
        backends.use(backends.by_name["second"])
    assert [each.name for each in backends.usable()] == ["first"]


def test_what_metrics_are_told() -> None:
    fast, slow = driver("fast", "aaa"), driver("slow", "bbb")
    slow.moods.absent = True
    told = dict(settled(fast, slow).told())
    assert told["fast"].unhealthy == ""
    assert (told["slow"].total_capacity, told["slow"].free_capacity) == (0, 0)
    assert "'slow' is not on this node" in told["slow"].unhealthy
    assert (told["fast"].absent, told["slow"].absent) == (False, True)


def test_what_has_to_be_mended_is_told_while_the_backend_serves_nothing() -> None:
    fast = driver("fast", "aaa")
    backends = settled(fast)
    fast.moods.unhealthy = "1 disk is missing"
    fast.moods.told = {"missing_disks": 1, "degraded": 2, "wiping": 3, "unwipeable": 3, "wiped": 4}
    told = dict(backends.told())["fast"]
    assert (told.missing_disks, told.degraded) == (1, 2)
    assert (told.wiping, told.unwipeable, told.wiped) == (3, 3, 4)
    assert (told.total_capacity, told.free_capacity, told.volumes) == (0, 0, 0)
    assert told.unhealthy == "backend 'fast' serves nothing: 1 disk is missing"
    assert not told.absent


def test_a_set_up_is_not_cut_short_by_the_deadline_of_who_asked() -> None:
    seen: list[float | None] = []

    class Watching(MemoryDriver):
        """Notes the deadline that its set-up runs under."""

        def do_setup(self) -> None:
            seen.append(deadline.get())
            super().do_setup()

    backends = Backends([Backend(Watching("fast", MemoryOptions(), Host()))])
    token = deadline.set(time.monotonic() + 5)
    backends.use(backends.by_name["fast"])
    deadline.reset(token)
    assert seen == [None]


def test_a_bug_in_a_set_up_is_shown_and_stops_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Broken(MemoryDriver):
        """Has a bug."""

        def do_setup(self) -> None:
            raise ZeroDivisionError("a bug")

    shown: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    broken = Broken("broken", MemoryOptions(backend_id="bbb"), Host())
    backends = settled(driver("fast", "aaa"), broken)
    assert [each.exc_type for each in shown] == [ZeroDivisionError]
    assert backends.settled
    with pytest.raises(errors.Unavailable, match="set-up of backend 'broken' broke; see the log"):
        backends.use(backends.by_name["broken"])
    assert backends.of("aaa.1").name == "fast"


def test_closing_lets_a_set_up_end_and_no_other_begin() -> None:
    fast = driver("fast", "aaa")
    backends = settled(fast)
    fast.create_volume(VolumeSpec("v", SizeRange(1)))
    backends.close()
    with pytest.raises(errors.Unavailable):
        _ = fast.backend_id
    backends.by_name["fast"].set_up()
    assert fast.set_ups == 1


@given(st.text())
def test_any_text_is_an_id_or_not_found(text: str) -> None:
    if is_id(text):
        assert text.startswith(f"{backend_id_of(text)}.")
        assert len(text.encode()) <= 128
        assert "/" not in text
    else:
        with pytest.raises(errors.NotFound):
            backend_id_of(text)
