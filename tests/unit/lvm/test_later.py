"""What is tried again in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from itertools import count

import pytest

from drivers.lvm.later import Later


def counted(done: threading.Event, *, after: int) -> Callable[[], bool]:
    tries = iter(range(1, after + 1))

    def act() -> bool:
        if is_done := next(tries) == after:
            done.set()
        return is_done

    return act


def test_it_is_tried_until_it_is_done() -> None:
    done = threading.Event()
    with closing(Later("later", counted(done, after=3), 0.01)) as later:
        later.ask()
        assert done.wait(10)


def test_nothing_is_tried_before_anybody_asks_or_after_the_end() -> None:
    done = threading.Event()
    with closing(Later("later", counted(done, after=1), 0.01)) as later:
        assert not done.wait(0.1)
    later.ask()
    assert not done.wait(0.1)


def test_a_bug_is_told_and_ends_no_trying(monkeypatch: pytest.MonkeyPatch) -> None:
    tries, shown, done = count(1), threading.Semaphore(0), threading.Event()

    def act() -> bool:
        if next(tries) < 3:
            raise ZeroDivisionError("a bug")
        done.set()
        return True

    monkeypatch.setattr(threading, "excepthook", lambda _what: shown.release())
    with closing(Later("later", act, 0.01)) as later:
        later.ask()
        assert done.wait(10)
    assert shown.acquire(timeout=10)
    assert shown.acquire(timeout=10)
