"""Locks by object: all or none, refused at once, free again whatever happens."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Busy
from drivers.locks import Locks

KEYS = st.sets(st.sampled_from("abcde"), min_size=1)


def test_a_second_operation_on_an_object_is_refused_by_name_and_at_once() -> None:
    locks = Locks()
    began = time.monotonic()
    with locks.hold("a", "b"):
        with pytest.raises(Busy, match="another operation on b is running"), locks.hold("b", "c"):
            pass
        assert time.monotonic() - began < 1
    with locks.hold("a", "b", "c"):
        pass


def test_whoever_is_refused_holds_nothing() -> None:
    locks = Locks()
    with locks.hold("a"):
        with pytest.raises(Busy), locks.hold("b", "a"):
            pass
        with locks.hold("b"):
            pass


def test_an_error_in_the_block_sets_free() -> None:
    locks = Locks()
    with pytest.raises(ValueError, match="x"), locks.hold("a"):
        raise ValueError("x")
    with locks.hold("a"):
        pass


def test_the_same_key_twice_is_one_key() -> None:
    locks = Locks()
    with locks.hold("a", "a"), pytest.raises(Busy), locks.hold("a"):
        pass
    with locks.hold("a"):
        pass


@given(KEYS, KEYS)
def test_two_operations_exclude_each_other_if_they_share_an_object(
    one: set[str], other: set[str]
) -> None:
    locks = Locks()
    with locks.hold(*one):
        if not one & other:
            with locks.hold(*other):
                return
        with pytest.raises(Busy) as caught, locks.hold(*other):
            pass
    assert all(key in str(caught.value) for key in one & other)


def test_of_many_threads_one_gets_in() -> None:
    locks, gate = Locks(), threading.Barrier(8)
    leave = threading.Event()
    results: list[str] = []

    def take() -> None:
        gate.wait()
        try:
            with locks.hold("a", "b"):
                results.append("held")
                leave.wait(10)
        except Busy:
            results.append("busy")
            if results.count("busy") == 7:
                leave.set()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == ["busy"] * 7 + ["held"]
