"""Making objects: claim the name, set room aside, copy, commit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from drivers.errors import Precondition
from drivers.loop import copying, devices, durable
from drivers.loop.home import Home
from drivers.loop.jobs import Job, Jobs
from drivers.loop.shelf import Entry, Kind, Shelf

Begin = Callable[[], Job[Entry[Kind]]]
Work = Callable[[copying.Advance], Entry[Kind]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """The bytes to make: those of ``origin`` (none: zeros), ``size`` in all, ``need`` to set aside."""

    origin: Entry[Any] | None
    size: int
    need: int


class Maker(Generic[Kind]):
    """Makes the objects of one shelf, and other bytes for those that are there."""

    def __init__(self, home: Home, shelf: Shelf[Kind]) -> None:
        self._home = home
        self._shelf = shelf
        self.jobs: Jobs[Entry[Kind]] = Jobs()

    def make(self, recipe: Recipe, record: Kind) -> Entry[Kind]:
        """The object named in ``record``: the one that is there, or a new one.

        Raises `InProgress` when the copy outlasts the caller's deadline.
        """

        def begin() -> Job[Entry[Kind]]:
            with ExitStack() as stack:
                made = stack.enter_context(self._shelf.claim(record.name))

                def work(advance: copying.Advance) -> Entry[Kind]:
                    # Another call may have been quicker between the caller's look and the claim.
                    if found := self._shelf.find(record.name):
                        return found
                    self._fill(recipe, made / record.file, advance)
                    return self._shelf.put(made, record)

                return self._job(record, recipe, stack, work)

        return self._do(recipe, f"make {record.name}", begin)

    def remake(self, recipe: Recipe, entry: Entry[Kind], record: Kind) -> Entry[Kind]:
        """Exchange the bytes and the record of an object, both at once.

        Raises `InUse` while somebody has it open, and `InProgress` as `make` does.
        """

        def work(advance: copying.Advance) -> Entry[Kind]:
            self._fill(recipe, entry.folder / record.file, advance)
            remade = self._shelf.replace(entry, record)
            self._shelf.sweep(entry.folder)
            return remade

        def begin() -> Job[Entry[Kind]]:
            with ExitStack() as stack:
                stack.enter_context(durable.locked(entry.folder))
                devices.detach(entry.file)
                self._shelf.sweep(entry.folder)
                return self._job(record, recipe, stack, work)

        return self._do(recipe, f"remake {record.id}", begin)

    def _do(self, recipe: Recipe, key: str, begin: Begin[Kind]) -> Entry[Kind]:
        if recipe.origin is None or self._home.shares:
            return begin().run()
        return self.jobs.finish(key, begin)

    def _job(
        self, record: Kind, recipe: Recipe, stack: ExitStack, work: Work[Kind]
    ) -> Job[Entry[Kind]]:
        """A job that holds what ``stack`` holds, its source and its room, from now to its end."""
        if recipe.origin is not None:
            stack.enter_context(durable.locked(recipe.origin.folder, shared=True))
            self._refuse_moving(recipe.origin)
        stack.enter_context(self._home.promise(recipe.need))
        held = stack.pop_all()

        def guarded(job: Job[Entry[Kind]]) -> Entry[Kind]:
            with held:
                return work(job.advance)

        return Job(record.name, recipe.size, guarded)

    def _refuse_moving(self, origin: Entry[Any]) -> None:
        if not self._home.shares and (device := devices.find(origin.file)):
            raise Precondition(
                f"{origin.record.name} is connected as {device}, and the filesystem of"
                f" {self._home.options.directory} cannot share blocks, so it can only be copied"
                " while nothing uses it: stop its pods, or move the backend to xfs or btrfs"
            )

    def _fill(self, recipe: Recipe, target: Path, advance: copying.Advance) -> None:
        if recipe.origin is None:
            copying.create(target, recipe.size)
        elif self._home.shares:
            copying.share(recipe.origin.file, target, recipe.size)
        else:
            copying.copy(recipe.origin.file, target, recipe.size, advance)
