"""The judge of a storm finds each contradiction, and none in a history that could have been."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.storm import history, plan
from tests.integration.storm.history import Event


def event(
    method: str, key: str, start: float, end: float, *ids: str, code: str = "OK", message: str = ""
) -> Event:
    return Event(method, key, "", code, message, ids, start, end)


def create(key: str, start: float, end: float, found: str) -> Event:
    return event("CreateVolume", key, start, end, found)


def delete(found: str, start: float, end: float, code: str = "OK") -> Event:
    return event("DeleteVolume", found, start, end, code=code)


def listed(start: float, end: float, *found: str) -> Event:
    return event("ListVolumes", "", start, end, *found)


POSSIBLE = {
    "found again": [create("a", 0, 1, "x"), create("a", 2, 3, "x"), listed(4, 5, "x")],
    "deleted and made anew": [create("a", 0, 1, "x"), delete("x", 2, 3), create("a", 4, 5, "y")],
    "a deletion whose answer was lost": [
        create("a", 0, 1, "x"),
        delete("x", 2, 3, "DEADLINE_EXCEEDED"),
        create("a", 4, 5, "y"),
        listed(6, 7, "y"),
    ],
    "refused after a deletion": [
        create("a", 0, 1, "x"),
        delete("x", 2, 3),
        event("CreateVolume", "a", 4, 5, code="ALREADY_EXISTS"),
    ],
    "a list while it is made": [create("a", 0, 3, "x"), listed(1, 2)],
    "a list while it is deleted": [create("a", 0, 1, "x"), delete("x", 2, 5), listed(3, 4, "x")],
}


@pytest.mark.parametrize("events", POSSIBLE.values(), ids=POSSIBLE)
def test_what_could_have_been_is_accepted(events: list[Event]) -> None:
    assert list(history.contradictions(events)) == []


EXISTS = "ALREADY_EXISTS"
IMPOSSIBLE = {
    "is refused": [create("a", 0, 1, "x"), event("CreateVolume", "a", 2, 3, code=EXISTS)],
    "nobody deleted it": [create("a", 0, 1, "x"), create("a", 2, 3, "y")],
    "after its deletion": [create("a", 0, 1, "x"), delete("x", 2, 3), create("a", 4, 5, "x")],
    "ListVolumes told": [create("a", 0, 1, "x"), delete("x", 2, 3), listed(4, 5, "x")],
    "lacks": [create("a", 0, 1, "x"), listed(2, 3)],
}


@pytest.mark.parametrize("words", IMPOSSIBLE)
def test_what_cannot_have_been_is_found(words: str) -> None:
    (found,) = history.contradictions(IMPOSSIBLE[words])
    assert words in found


def test_a_snapshot_is_judged_like_a_volume() -> None:
    events = [
        event("CreateSnapshot", "a", 0, 1, "x"),
        event("CreateSnapshot", "a", 2, 3, "y"),
    ]
    assert len(list(history.contradictions(events))) == 1


def test_a_bug_and_a_failure_without_a_name_are_unexpected() -> None:
    refused = [
        event("CreateVolume", "a", 0, 1, code="ALREADY_EXISTS"),
        event("CreateVolume", "a", 0, 1, code="UNAVAILABLE", message="busy"),
        event("DeleteVolume", "a", 0, 1, code="DEADLINE_EXCEEDED"),
    ]
    assert history.unexpected(refused) == []
    broken = [
        event("CreateVolume", "a", 0, 1, code="INTERNAL"),
        event("DeleteVolume", "a", 0, 1, code="NOT_FOUND"),
        event("CreateVolume", "a", 0, 1, code="UNAVAILABLE", message="lvm exited with 5: what"),
    ]
    assert len(history.unexpected(broken)) == 3


def test_what_is_written_down_is_read_again(tmp_path: Path) -> None:
    events = [create("ä\n", 1, 2, "x"), listed(0, 1, "x", "y")]
    history.write(tmp_path / "0", events[:1])
    history.write(tmp_path / "1", events[1:])
    assert history.read([tmp_path / "0", tmp_path / "1"]) == events[::-1]


@pytest.mark.parametrize("seed", range(50))
def test_every_plan_can_be_reached(seed: int) -> None:
    drawn = plan.draw(seed)
    assert drawn == plan.draw(seed)
    names = [each.name for each in drawn.volumes] + [each.name for each in drawn.snapshots]
    assert len(set(names)) == len(names)
    assert all(len(name.encode()) <= 128 for name in names)
    assert {each.layout for each in drawn.volumes} == {"thin", "linear"}
    kept = [each for each in drawn.snapshots if each.present and each.of.layout == "linear"]
    assert all(each.of.present for each in kept)


def test_plans_differ() -> None:
    assert all(one != other for one, other in pairwise(map(plan.draw, range(20))))
