"""How much room there is: what GetCapacity answers, and what a create is held to. The same numbers.

A thin pool's room is a promise (its size times the overcommit ratio, less what was promised) and ends at
the watermarks of its fill. A thick volume's room is what LVM's allocator can place: free space
fragments, so the largest striped or RAID volume is found by asking LVM, never by a formula.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from drivers.errors import Busy, Exhausted, MissingModule, Unavailable
from drivers.exec import soon
from drivers.lvm import commands, names
from drivers.lvm.group import VolumeGroup
from drivers.lvm.headers import Fingerprint
from drivers.lvm.layouts import Shape
from drivers.lvm.options import Layout
from drivers.lvm.records import SNAPSHOT
from drivers.lvm.report import Group, Lv

STALE = 0.5
"""Seconds that a lookup waits for a report of LVM before it is answered from memory."""
ASKING = 1.0
"""Seconds that a question about capacity waits for LVM: an old answer would be wrong here."""


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a thin pool is, 0 to 1."""

    data: float
    metadata: float


@dataclass(frozen=True, slots=True)
class Above:
    """A watermark that a pool is above: what of it is too full, how full, and the mark. 0 to 1."""

    what: str
    fill: float
    mark: float


class Capacity:
    """The room of one volume group."""

    def __init__(self, group: VolumeGroup) -> None:
        self._group = group
        self._largest: dict[Shape, tuple[Fingerprint, int]] = {}

    def pools(self, group: Group) -> Sequence[Lv]:
        """The configured thin pools that exist."""
        found = (group.lvs.get(name) for name in self._group.options.thin_pools)
        return [lv for lv in found if lv is not None and lv.is_pool]

    def fill(self, pool: Lv) -> Fill:
        """The pool's fill from the kernel; raises `Unavailable` if it is not active or not usable."""
        for target in self._group.status(pool, "-tpool"):
            # A pool that has failed says "Fail", one that needs a check has dashes for numbers.
            if told := re.match(r"\d+ (\d+/[1-9]\d*) (\d+/[1-9]\d*)", target.status):
                return Fill(data=_ratio(told[2]), metadata=_ratio(told[1]))
        raise Unavailable(
            f"thin pool {self._group.name}/{pool.name} is not active or has failed:"
            f" look at dmsetup status and lvconvert --repair"
        )

    def fills(self, group: Group) -> Iterator[Fill]:
        """The fill of every pool that tells one."""
        for pool in self.pools(group):
            with suppress(Unavailable):
                yield self.fill(pool)

    def warning(self, group: Group) -> str:
        """What is said of pools above a watermark, without numbers that change; empty if none is."""
        return "; ".join(filter(None, (self._warned(pool) for pool in self.pools(group))))

    def promised(self, group: Group, pool: Lv) -> int:
        """The bytes of all volumes in the pool; snapshots share theirs and are not counted."""
        return sum(
            lv.size
            for lv in group.lvs.values()
            if lv.pool == pool.name and lv.fields.get("kind") != SNAPSHOT and not lv.tag(names.COPY)
        )

    def room_in(self, group: Group, pool: Lv) -> int:
        """The largest thin volume that the pool may promise, in bytes; 0 if it cannot be used."""
        try:
            return self._room(group, pool)
        except Unavailable:
            return 0

    def _room(self, group: Group, pool: Lv) -> int:
        return 0 if self._full(pool) else self._unpromised(group, pool)

    def _unpromised(self, group: Group, pool: Lv) -> int:
        limit = int(pool.size * self._group.options.overcommit)
        room = limit - self.promised(group, pool)
        return max(0, room // group.extent * group.extent)

    def pool_for(self, group: Group, size: int) -> Lv:
        """The pool with the most room, for ``size`` more bytes.

        Raises `Exhausted` if none has it, and `Unavailable` if there is none that can be used.
        """
        rooms, told, failures = dict[str, int](), list[str](), list[Unavailable]()
        for pool in self.pools(group):
            try:
                full = self._full(pool)
            except Unavailable as error:
                failures.append(error)
                continue
            rooms[pool.name] = 0 if full else self._unpromised(group, pool)
            why = f", being above its watermark: {full}" if full else ""
            told.append(f"{pool.name} has {rooms[pool.name]}{why}")
        if failures and not rooms:
            raise failures[0]
        best = max(rooms, key=lambda name: rooms[name], default="")
        if not best or rooms[best] < size:
            raise Exhausted(
                f"no thin pool of volume group {group.name} may promise {size} more bytes"
                f" ({'; '.join(told) or 'there is none'}):"
                " extend the pool, raise overcommit, or delete volumes"
            )
        return group.lvs[best]

    def admit(self, pool: Lv) -> None:
        """Raise `Exhausted` if the pool is above a watermark, `Unavailable` if it cannot be used."""
        if full := self._full(pool):
            raise Exhausted(
                f"thin pool {self._group.name}/{pool.name} is above its watermark ({full}):"
                " extend it or delete what is not needed"
            )

    def admit_thick(self, group: Group, shape: Shape, extents: int, *, grows: bool = False) -> None:
        """Raise `Exhausted` if ``extents`` more would not leave the reserve free.

        A volume that ``grows`` has its metadata. Raises `Busy` while freed extents are not wiped.
        """
        self.refuse_unwiped(group)
        if extents > self._bound(group, shape, grows=grows):
            raise Exhausted(
                f"volume group {group.name} has {group.free} free extents of {group.extent} bytes, of"
                f" which {self._reserved(group)} are reserved: {extents} extents as"
                f" {shape.layout.value} do not fit"
            )

    def free(self, group: Group, shape: Shape) -> int:
        """The bytes that volumes of this shape may still take, all together."""
        if shape.layout is Layout.THIN:
            return sum(self.room_in(group, pool) for pool in self.pools(group))
        return max(0, group.free - self._reserved(group)) * group.extent

    def total(self, group: Group, shape: Shape) -> int:
        """The bytes of the pools, or of the group."""
        if shape.layout is Layout.THIN:
            return sum(pool.size for pool in self.pools(group))
        return group.extents * group.extent

    def provisioned(self, group: Group, shape: Shape) -> int:
        """The bytes promised from the pools, or taken from the group."""
        if shape.layout is Layout.THIN:
            return sum(self.promised(group, pool) for pool in self.pools(group))
        return (group.extents - group.free) * group.extent

    def largest(self, group: Group, shape: Shape, *, ask: bool) -> int | None:
        """The bytes of the largest volume that a create would serve.

        ``ask`` allows LVM runs. Where others keep LVM busy, the answer is the last one known for this
        shape, or what would fit if free space were in one piece. Without it, None says that it was
        never asked.
        """
        if shape.layout is Layout.THIN:
            return max((self.room_in(group, pool) for pool in self.pools(group)), default=0)
        if ask:
            try:
                with suppress(Busy, Unavailable):
                    self._learn(shape)
            except MissingModule:
                return (
                    0  # so that the scheduler looks elsewhere; whoever creates it here is told why
                )
        if (known := self._largest.get(shape)) is not None:
            return known[1]
        return self._bound(group, shape) * group.extent if ask else None

    def _learn(self, shape: Shape) -> None:
        now = self._group.inventory.fingerprint()
        known = self._largest.get(shape)
        if known is None or known[0] != now:
            with soon(ASKING):
                self._largest[shape] = now, self._ask(shape)

    def _ask(self, shape: Shape) -> int:
        with self._group.alone() as group:
            high = self._bound(group, shape) // shape.stripes
            low = 0
            if high and self._fits(shape, high):
                return high * shape.stripes * group.extent
            while low + 1 < high:
                middle = (low + high) // 2
                low, high = (middle, high) if self._fits(shape, middle) else (low, middle)
            return low * shape.stripes * group.extent

    def _fits(self, shape: Shape, steps: int) -> bool:
        extents = steps * shape.stripes
        try:
            self._group.run(
                commands.test_thick(self._group.name, extents=extents, shape=shape.arguments)
            )
        except Exhausted:
            return False
        return True

    def refuse_unwiped(self, group: Group) -> None:
        """Raise `Busy` while the area of a merged snapshot is free and not wiped.

        Nobody may get extents of the group then: they would show the blocks of another volume.
        """
        for lv in group.lvs.values():
            if lv.tag(names.AREA) and not _is_held(group, lv):
                raise Busy(
                    f"the revert of volume {group.id}.{lv.object_id} must be finished before anything"
                    f" gets room in volume group {group.name}: repeat the revert, or ask again"
                )

    def _bound(self, group: Group, shape: Shape, *, grows: bool = False) -> int:
        """The most extents that could be placed if free space were in one piece."""
        # Each image of a RAID volume takes one more extent for its metadata.
        metadata = shape.disks if shape.copies > 1 and not grows else 0
        rest = group.free - self._reserved(group) - metadata
        return max(0, rest // shape.disks * shape.stripes)

    def _reserved(self, group: Group) -> int:
        return -(-self._group.options.reserve // group.extent)

    def _full(self, pool: Lv) -> str:
        above = self._above(pool)
        return f"{above.what} {above.fill:.1%} of {above.mark:.0%}" if above else ""

    def _warned(self, pool: Lv) -> str:
        with suppress(Unavailable):
            if above := self._above(pool):
                return (
                    f"thin pool {self._group.name}/{pool.name} is above its watermark of"
                    f" {above.mark:.0%} for {above.what}: nothing new is made in it; extend it or"
                    " delete what is not needed"
                )
        return ""

    def _above(self, pool: Lv) -> Above | None:
        fill, options = self.fill(pool), self._group.options
        if fill.data >= options.data_watermark:
            return Above("data", fill.data, options.data_watermark)
        if fill.metadata >= options.metadata_watermark:
            return Above("metadata", fill.metadata, options.metadata_watermark)
        return None


def _is_held(group: Group, lv: Lv) -> bool:
    """Whether the area is taken: by the snapshot while it merges, or by what it is wiped in."""
    merging = any(each.object_id == lv.tag(names.REVERTING) for each in group.lvs.values())
    return merging or names.temporary("area", lv.object_id) in group.lvs


def _ratio(word: str) -> float:
    used, _, total = word.partition("/")
    return int(used) / int(total)
