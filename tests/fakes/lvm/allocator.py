"""Where the next extents are taken: simple, and with LVM's rules about disks."""

from __future__ import annotations

from collections.abc import Sequence

from tests.fakes.lvm.state import Refused, Span, State

Runs = dict[str, list[Span]]


class Allocator:
    """Free extents, of all disks or of those that a command names."""

    def __init__(self, state: State, on: Sequence[str] = ()) -> None:
        self._state = state
        self._named = bool(on)
        allowed = _allowed(on)
        self._free: dict[str, list[int]] = {
            name: [at for at in state.free(name) if _within(at, allowed.get(name))]
            for name, disk in state.disks.items()
            if not disk.missing and (not on or name in allowed)
        }

    @property
    def count(self) -> int:
        """The free extents that may be used."""
        return sum(len(extents) for extents in self._free.values())

    def require(self, extents: int) -> None:
        """Refuse what cannot be, however the free extents lie."""
        if extents <= self.count:
            return
        if self._named:
            raise Refused(
                f"Insufficient free space: {extents} extents needed, but only {self.count} available"
            )
        raise Refused(
            f'Volume group "{self._state.name}" has insufficient free space'
            f" ({self.count} extents): {extents} required."
        )

    def take(
        self, name: str, each: int, ways: int = 1, disks: Sequence[str] = ()
    ) -> list[tuple[Span, ...]]:
        """``each`` extents on every one of ``ways`` disks, in as many segments as it takes.

        The first of ``disks`` are kept to, in this order.
        """
        segments: list[tuple[Span, ...]] = []
        while each:
            spans = self._round(each, ways, disks)
            if not spans:
                raise Refused(
                    "Insufficient suitable allocatable extents for logical volume"
                    f" {name}: {each * ways} more required"
                )
            segments.append(spans)
            each -= spans[0].count
        return segments

    def _round(self, each: int, ways: int, disks: Sequence[str]) -> tuple[Span, ...]:
        longest = {name: run for name in self._free if (run := self._longest(name))}
        order = sorted(longest, key=lambda name: (-longest[name].count, name))
        chosen = [name for name in (disks or order) if name in longest][:ways]
        if len(chosen) < ways:
            return ()
        count = min(each, *(longest[name].count for name in chosen))
        return tuple(self._claim(longest[name], count) for name in chosen)

    def _claim(self, run: Span, count: int) -> Span:
        span = Span(run.disk, run.first, count)
        gone = {at for _disk, at in span}
        self._free[run.disk] = [at for at in self._free[run.disk] if at not in gone]
        return span

    def _longest(self, name: str) -> Span | None:
        best: Span | None = None
        begin = 0
        free = self._free[name]
        for index, at in enumerate(free):
            if index and at != free[index - 1] + 1:
                begin = index
            if best is None or index - begin + 1 > best.count:
                best = Span(name, free[begin], index - begin + 1)
        return best


def _allowed(on: Sequence[str]) -> dict[str, set[int] | None]:
    """The extents named of each disk, None for all of it."""
    found: dict[str, set[int] | None] = {}
    for spot in on:
        disk, colon, span = spot.partition(":")
        first, _, last = span.partition("-")
        before = found.get(disk) or set()
        found[disk] = before | set(range(int(first), int(last) + 1)) if colon else None
    return found


def _within(at: int, allowed: set[int] | None) -> bool:
    return allowed is None or at in allowed
