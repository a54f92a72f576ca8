"""Trying a scenario: once undisturbed, and then with one death at every point.

The points are: before each boundary, and at the end, when everything is done and nobody has been told.
The death before the first one is no point: the undisturbed call is what follows it. After one boundary
is before the next, since nothing leaves the process between two of them (what does is behind a boundary
of its own, to which `coverage` holds the code). Each kind of program is also left alone once, while it
works: its parent is dead then, nobody reads what it says, and the next process meets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.crash.boundaries import Boundary
from tests.crash.disks import POOL, Disks, Kept
from tests.crash.door import Death, Door, Moment, die
from tests.crash.life import live
from tests.crash.node import Home, done, running
from tests.crash.scenario import Act, Scenario
from tests.crash.state import State, state

POOL_OPTIONS = {"thinPools": [POOL], "overcommit": 4}
END = Boundary("the end", "everything is done, and nobody has been told", False)


@dataclass(slots=True)
class Tried:
    """The deaths so far. As a ``sample``, no call is killed where another one was, in the same place.

    Two places are the same if the boundaries before and behind them are of one kind. The whole kills every
    call in every place, since what it leaves there may differ all the same.
    """

    sample: bool = False
    left_alone: set[str] = field(default_factory=set)
    places: set[tuple[str, str]] = field(default_factory=set)

    def is_due(self, last: Boundary, boundary: Boundary) -> bool:
        """Whether a call is to be killed between these two; it is taken for done."""
        place = (last.kind, boundary.kind)
        due = not self.sample or place not in self.places
        self.places.add(place)
        return due

    def is_first_of(self, boundary: Boundary) -> bool:
        """Whether it is a program whose kind was not left alone yet; it is taken for done."""
        first = boundary.is_program and boundary.kind not in self.left_alone
        self.left_alone.add(boundary.kind)
        return first


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A scenario that went well. ``ids`` are those of what was prepared, by name."""

    scenario: Scenario
    home: Home
    kept: Kept
    ids: dict[str, str]
    met: Sequence[Boundary]
    empty: State
    after: State
    cleaned: set[State] = field(default_factory=set)

    def points(self, tried: Tried) -> Iterator[Death]:
        """Every point of the call, without those that the sample leaves out; ``tried`` grows."""
        for number, boundary in enumerate(self.met):
            if number and tried.is_due(self.met[number - 1], boundary):
                yield Death(number, Moment.BEFORE)
            if tried.is_first_of(boundary):
                yield Death(number, Moment.DURING)
        if tried.is_due(self.met[-1], END):
            yield Death(len(self.met), Moment.END)

    def told(self, death: Death) -> str:
        """The point in words."""
        if death.moment is Moment.END:
            return f"{self.scenario}: killed at the end"
        met = self.met[death.number]
        return f"{self.scenario}: killed {death.moment.value} {death.number + 1}: {met.text}"


def rehearse(disks: Disks, bases: Callable[[bool], Kept], scenario: Scenario) -> Rehearsal:
    """Prepare the scenario and do its call undisturbed."""
    home = Home(disks, {**(POOL_OPTIONS if scenario.pool else {}), **scenario.options})
    disks.set_back(bases(scenario.pool))
    empty, made = live(lambda door: _prepared(home, scenario.prepare, door)).answer
    if scenario.dies_at:
        _die_first(home, scenario, made)
    kept = disks.keep("prepared")
    _warm(home, scenario, made)
    life = live(lambda door: _call(home, scenario, made, door))
    assert life.met, f"{scenario} does nothing that can be interrupted"
    rehearsal = Rehearsal(scenario, home, kept, made, life.met, empty, life.answer)
    _survive(rehearsal)
    return rehearsal


def die_once(rehearsal: Rehearsal, death: Death) -> None:
    """One death, and what the next process makes of it."""
    scenario, home = rehearsal.scenario, rehearsal.home
    with told_of(rehearsal.told(death)):
        home.disks.set_back(rehearsal.kept)
        _warm(home, scenario, rehearsal.ids)
        life = live(lambda door: _call(home, scenario, rehearsal.ids, door, death), death)
        assert life.killed, "the process got to its end"
        expected = rehearsal.met[: death.number + 1]
        assert [each.kind for each in life.met] == [each.kind for each in expected]
        _survive(rehearsal)


@contextmanager
def told_of(what: str) -> Iterator[None]:
    """Add to a failure where the process was killed."""
    try:
        yield
    except AssertionError as error:
        error.add_note(what)
        raise


def _survive(rehearsal: Rehearsal) -> None:
    """A new process, the call once more, and everything that must hold then."""
    found, end = live(lambda door: _replay(rehearsal, door)).answer
    assert not (difference := found.differs(rehearsal.after)), difference
    if end is not None:
        assert not (difference := end.differs(rehearsal.empty)), f"not deleted: {difference}"
        assert end.active == rehearsal.empty.active
        rehearsal.cleaned.add(found)


def _replay(rehearsal: Rehearsal, door: Door) -> tuple[State, State | None]:
    with running(rehearsal.home, door, rehearsal.ids) as node:
        done(lambda: rehearsal.scenario.call(node))
        node.settle()
        found = state(rehearsal.home, rehearsal.ids)
        rehearsal.scenario.verify(node)
        # How a state came to be does not matter for its deletion, so each one is deleted once.
        if found in rehearsal.cleaned:
            return found, None
        node.clear()
        return found, state(rehearsal.home)


def _call(
    home: Home, scenario: Scenario, made: dict[str, str], door: Door, death: Death | None = None
) -> State:
    door.counts = scenario.cold
    with running(home, door, made) as node:
        door.counts = True
        done(lambda: scenario.call(node))
        node.settle()
        if death is not None and death.moment is Moment.END:
            die()
        door.counts = False
        return state(home, made)


def _prepared(home: Home, prepare: Act, door: Door) -> tuple[State, dict[str, str]]:
    with running(home, door) as node:
        empty = state(home)
        prepare(node)
        node.settle()
        return empty, node.ids


def _warm(home: Home, scenario: Scenario, made: dict[str, str]) -> None:
    warm = scenario.warm
    if warm is not None:
        live(lambda door: _warmed(home, warm, made, door))


def _warmed(home: Home, warm: Act, made: dict[str, str], door: Door) -> None:
    with running(home, door, made) as node:
        warm(node)


def _die_first(home: Home, scenario: Scenario, made: dict[str, str]) -> None:
    """The death of a process and of the machine that the scenario begins with."""
    kept = home.disks.keep("first")
    life = live(lambda door: _call(home, scenario, made, door))
    number = [each.kind for each in life.met].index(scenario.dies_at)
    home.disks.set_back(kept)
    death = Death(number)
    assert live(lambda door: _call(home, scenario, made, door, death), death).killed
    home.disks.stop()
    if (meanwhile := scenario.meanwhile) is not None:
        live(lambda _door: meanwhile(home))
