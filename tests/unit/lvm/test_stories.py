"""Long stories of random calls and random deaths, compared with a model after every step.

The seed is the test's name: a story that fails is told again by it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest

from drivers.errors import Exhausted, InUse, StorageError
from drivers.model import MIB, SnapshotSpec, SourceKind, Volume
from tests.fakes.lvm import Died, FakeLvm, Process
from tests.fakes.lvm.driver import Life, lived, wanted

STEPS = 25
OPTIONS: dict[str, Any] = {"thinPools": ["pool"], "overcommit": 20}
LAYOUTS = ("thin", "linear", "striped", "raid1", "raid10")


@dataclass
class Held:
    """What a volume or a snapshot must show, extent by extent."""

    id: str
    content: list[str]
    layout: str
    origin: str = ""
    former: set[str] = field(default_factory=lambda: {""})


@dataclass
class Story:
    """A driver, which may die and be born again, and what is known to be there."""

    lvm: FakeLvm
    chance: random.Random
    volumes: dict[str, Held] = field(default_factory=dict)
    snapshots: dict[str, Held] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)
    lives: ExitStack = field(default_factory=ExitStack)
    now: Life | None = None

    def life(self) -> Life:
        """The present one, or a new one."""
        if self.now is None:
            self.now = self.lives.enter_context(lived(Process(self.lvm), **OPTIONS))
        return self.now

    def call(self, act: Callable[[Life], Volume | object]) -> object:
        """Call, die in it perhaps more than once, and call again until it is answered."""
        while True:
            process = self.life().process
            if self.chance.random() < 0.6:
                process.die_after(self.chance.randrange(1, 12))
            try:
                answer = act(self.life())
                if not process.dead:
                    return answer
            except (Died, StorageError):
                if not process.dead:
                    raise
            finally:
                process.die_after(None)
                if process.dead:
                    self.bury()

    def bury(self) -> None:
        """End the driver whose process is dead; the next one may die as it begins."""
        self.lives.close()
        self.now = None
        if self.chance.random() < 0.3:
            process = Process(self.lvm, dies_at=self.chance.randrange(6))
            with suppress(Died, StorageError), lived(process, **OPTIONS):
                pass

    def new_name(self) -> str:
        """A name that nothing has had."""
        return f"n{next(self.numbers)}"

    def any_volume(self) -> str | None:
        """One of them."""
        return self.chance.choice(sorted(self.volumes)) if self.volumes else None

    def any_snapshot(self) -> str | None:
        """One of them."""
        return self.chance.choice(sorted(self.snapshots)) if self.snapshots else None

    # What may happen

    def create(self) -> None:
        name, layout = self.new_name(), self.chance.choice(LAYOUTS)
        size = self.chance.choice((2, 4))
        made = self.call(lambda one: one.volume(name, size * MIB, layout=layout))
        self._take(name, made, [], layout)

    def copy(self) -> None:
        clone = self.chance.random() < 0.5
        source = self.any_volume() if clone else self.any_snapshot()
        if source is None:
            return
        held = (self.volumes if clone else self.snapshots)[source]
        name, layout = self.new_name(), self.chance.choice((held.layout, *LAYOUTS))
        size = (len(held.content) + self.chance.choice((0, 2))) * MIB
        spec = wanted(name, size, layout=layout)

        def act(one: Life) -> Volume:
            if clone:
                return one.driver.create_cloned_volume(spec, held.id)  # type: ignore[arg-type]
            return one.driver.create_volume_from_snapshot(spec, held.id)  # type: ignore[arg-type]

        made = self.call(act)
        assert isinstance(made, Volume)
        assert made.source is not None
        assert made.source.kind is (SourceKind.VOLUME if clone else SourceKind.SNAPSHOT)
        self._take(name, made, held.content, layout)

    def _take(self, name: str, made: object, content: list[str], layout: str) -> None:
        assert isinstance(made, Volume)
        zeros = made.size // MIB - len(content)
        self.volumes[name] = Held(made.id, [*content, *[""] * zeros], layout)

    def write(self) -> None:
        if (name := self.any_volume()) is None:
            return
        held = self.volumes[name]
        for at in range(len(held.content)):
            if self.chance.random() < 0.5:
                held.former.add(held.content[at])
                held.content[at] = f"{name}-{next(self.numbers)}"
                self.lvm.write(self.lvm.object(held.id), held.content[at], at)

    def snapshot(self) -> None:
        if (origin := self.any_volume()) is None:
            return
        name, held = self.new_name(), self.volumes[origin]
        spec = SnapshotSpec(name, held.id)  # type: ignore[arg-type]
        made = self.call(lambda one: one.driver.create_snapshot(spec))
        self.snapshots[name] = Held(made.id, list(held.content), held.layout, origin)  # type: ignore[attr-defined]

    def delete_snapshot(self) -> None:
        if (name := self.any_snapshot()) is not None:
            held = self.snapshots[name]
            self.call(lambda one: one.driver.delete_snapshot(held.id))  # type: ignore[arg-type]
            del self.snapshots[name]

    def delete_volume(self) -> None:
        if (name := self.any_volume()) is None:
            return
        held = self.volumes[name]
        needed = [each for each in self.snapshots.values() if each.origin == name]
        try:
            self.call(lambda one: one.driver.delete_volume(held.id))  # type: ignore[arg-type]
        except InUse:
            assert needed
            assert held.layout != "thin"
        else:
            assert not needed or held.layout == "thin"
            del self.volumes[name]

    def extend(self) -> None:
        if (name := self.any_volume()) is None:
            return
        held = self.volumes[name]
        size = (len(held.content) + 2) * MIB
        grown = self.call(lambda one: one.driver.extend_volume(held.id, size))  # type: ignore[arg-type]
        assert isinstance(grown, Volume)
        held.content += [""] * (grown.size // MIB - len(held.content))

    def revert(self) -> None:
        if (name := self.any_snapshot()) is None or self.snapshots[name].origin not in self.volumes:
            return
        snapshot = self.snapshots[name]
        held = self.volumes[snapshot.origin]

        def act(one: Life) -> Volume:
            return one.driver.revert_to_snapshot(held.id, snapshot.id)  # type: ignore[arg-type]

        self.call(act)
        rest = [""] * (len(held.content) - len(snapshot.content))
        if held.layout != "thin":
            # Behind the snapshot's end is what was there, or what a snapshot kept that was cut anew.
            rest = self.lvm.content(self.lvm.object(held.id))[len(snapshot.content) :]
            assert set(rest) <= held.former | set(held.content)
        held.content = [*snapshot.content, *rest]

    # What must be true

    def check(self) -> None:
        """The driver and the disks agree with the model."""
        alive = self.life()
        alive.drained()
        assert {each.id for each in alive.driver.list_volumes()} == ids(self.volumes)
        assert {each.id for each in alive.driver.list_snapshots()} == ids(self.snapshots)
        for held in (*self.volumes.values(), *self.snapshots.values()):
            shown = self.lvm.content(self.lvm.object(held.id))
            assert shown[: len(held.content)] == held.content
        assert self.lvm.old_blocks() == set()
        assert len(self.lvm.names()) == len(self.volumes) + len(self.snapshots)


def ids(held: dict[str, Held]) -> set[str]:
    return {each.id for each in held.values()}


@pytest.mark.parametrize("seed", range(20))
def test_story(lvm: FakeLvm, seed: int) -> None:
    story = Story(lvm, random.Random(seed))  # noqa: S311
    happenings = (
        story.create, story.create, story.copy, story.copy, story.write, story.write,
        story.snapshot, story.snapshot, story.delete_snapshot, story.delete_volume, story.extend,
        story.revert,
    )  # fmt: skip
    with story.lives:
        for _ in range(STEPS):
            try:
                story.chance.choice(happenings)()
            except Exhausted:
                story.delete_volume()
            story.check()
