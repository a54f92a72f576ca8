"""Growing volumes so that nobody ever reads old blocks in the new part.

A thin pool zeroes what it hands out. The extents that a thick volume is to get are first taken by a
temporary volume, zeroed there, and then given to exactly this volume.

While a thick volume has COW snapshots, LVM grows it only when it is inactive, and the COW areas must grow
with it, or they could overflow.

A mark says that a growth is unfinished, and where the zeroed extents are. Nobody may activate the volume
until the areas are as large, and it is proven that LVM used these extents, by this process or the next.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress

from drivers.errors import Exhausted, InUse, Precondition, StorageError, Unavailable
from drivers.exec import unhurried
from drivers.lvm import commands, layouts, names, records
from drivers.lvm.capacity import Capacity
from drivers.lvm.group import VolumeGroup
from drivers.lvm.host import Unchanged
from drivers.lvm.layouts import Shape
from drivers.lvm.options import Layout, Wipe
from drivers.lvm.report import Group, Lv
from drivers.lvm.volumes import Volumes
from drivers.model import Volume

log = logging.getLogger(__name__)


class Growth:
    """Growing the volumes of one group."""

    def __init__(self, group: VolumeGroup, volumes: Volumes, capacity: Capacity) -> None:
        self._group = group
        self._volumes = volumes
        self._capacity = capacity
        self._growing: set[str] = set()

    def grows(self, object_id: str) -> bool:
        """Whether a call is growing that volume now."""
        return object_id in self._growing

    def extend(self, identifier: str, new_size: int) -> Volume:
        """See `VolumeDriver.extend_volume`."""
        object_id = self._group.object_id(identifier)
        self._growing.add(object_id)
        try:
            return self._extend(identifier, new_size)
        finally:
            self._growing.discard(object_id)

    def _extend(self, identifier: str, new_size: int) -> Volume:
        with self._group.changing() as now:
            self.finish(now, self._volumes.lv(now, identifier))
        with self._group.changing() as now:
            lv = self._volumes.settled(now, identifier)
            shape = layouts.of(lv)
            extents = shape.extents(new_size, now.extent)
            if extents * now.extent <= lv.size:
                return records.volume(now, lv)
            if shape.layout is Layout.THIN:
                return self._extend_thin(now, lv, extents)
            self._admit(now, lv, shape, extents)
            temporary = self._reserve(now, lv, extents - lv.size // now.extent)
        # Others may change the group meanwhile: nobody else gets these extents.
        for each in temporary:
            self._zero(each)
        # Zeroing may have outlasted the caller; what was zeroed is not given up for that.
        with unhurried(), self._group.changing() as now:
            return self._extend_thick(now, self._volumes.settled(now, identifier), extents)

    def recover(self) -> None:
        """Remove temporary volumes and finish what a dead process began to grow."""
        with self._group.changing() as now:
            for lv in now.lvs.values():
                if lv.tag(names.TAIL) and names.DELETING not in lv.tags:
                    self._drop(lv)
            for lv in self._group.read().lvs.values():
                try:
                    self.finish(self._group.read(), lv)
                except StorageError as error:
                    log.warning("the growth of %s/%s is unfinished: %s", now.name, lv.name, error)

    def _admit(self, group: Group, lv: Lv, shape: Shape, extents: int) -> None:
        more = extents - lv.size // group.extent
        self._capacity.admit_thick(group, shape, more, grows=True)
        if not (snapshots := group.snapshots_of(lv)):
            return
        # Their areas would have to grow with it, and they are not ours to change.
        if others := [each.name for each in snapshots if not names.is_ours(each.tags)]:
            raise Precondition(
                f"volume {group.id}.{lv.object_id} has snapshots that Hearth did not make"
                f" ({', '.join(others)}): bring them in or remove them, then it can grow"
            )
        told = ", ".join(
            f"{group.id}.{each.object_id}" if each.object_id else each.name for each in snapshots
        )
        if self._group.is_open(lv) or any(self._group.is_open(each) for each in snapshots):
            raise Precondition(
                f"volume {group.id}.{lv.object_id} is in use and has snapshots ({told}): LVM grows"
                " it only while it is not in use, so stop its pod or delete the snapshots"
            )
        needed = more * shape.copies + sum(
            cow_extents(extents * group.extent, each.segments[0].chunk, group.extent)
            - each.size // group.extent
            for each in snapshots
        )
        if needed > group.free:
            raise Exhausted(
                f"growing volume {group.id}.{lv.object_id} with its snapshots ({told}) takes {needed}"
                f" extents; volume group {group.name} has {group.free}"
            )

    def _extend_thin(self, group: Group, lv: Lv, extents: int) -> Volume:
        self._volumes.admit_thin(group, lv, extents * group.extent - lv.size)
        self._group.run(commands.extend(group.name, lv.name, extents=extents))
        return self._checked(lv, extents)

    def _extend_thick(self, group: Group, lv: Lv, extents: int) -> Volume:
        reserved = self._reserved(group, lv)
        ranges = [spot for each in reserved for spot in each.ranges]
        self._refuse_unwiped(lv, ranges, extents - lv.size // group.extent)
        zeroed = {f"{names.ZEROED}{spot}" for spot in group.fixed(ranges)}
        self._group.retag(lv, add={f"{names.GROWING}{lv.size}", *zeroed})
        if group.snapshots_of(lv):
            self._group.deactivate(lv)
        for each in reserved:
            self._drop(each)
        try:
            self._group.run(commands.extend(group.name, lv.name, extents=extents, on=ranges))
        finally:
            # Also after a refusal, or nobody could use the volume until somebody grows it again.
            self.finish(self._group.read(), self._group.again(lv))
        return self._checked(lv, extents)

    def _refuse_unwiped(self, lv: Lv, ranges: Sequence[str], more: int) -> None:
        wanted = 0 if self._group.options.wipe is Wipe.NONE else more * layouts.of(lv).copies
        if (found := len(list(_extents(ranges)))) != wanted:
            raise Unavailable(
                f"{found} extents were zeroed for {lv.name}, which needs {wanted}: somebody removed"
                " or changed its temporary volumes; ask again"
            )

    def _checked(self, lv: Lv, extents: int) -> Volume:
        """The volume as a new report shows it: LVM's word is not enough."""
        now, grown = self._group.read(), self._group.again(lv)
        if grown.size < extents * now.extent:
            raise Unavailable(f"LVM reported success, but {lv.name} has {grown.size} bytes")
        return records.volume(now, grown)

    def finish(self, group: Group, lv: Lv) -> None:
        """Compare, let every COW area follow its origin, then take the mark off, if there is one.

        Called while changing the group. Raises `InUse` while a volume with snapshots is open, and
        `Unavailable` for ever if LVM gave it extents that were not zeroed.
        """
        if not lv.tag(names.GROWING):
            return
        self._compare(group, lv)
        if group.snapshots_of(lv):
            self._follow(group, lv)
        marks = {tag for tag in lv.tags if tag.startswith((names.GROWING, names.ZEROED))}
        self._group.retag(lv, remove=marks)

    def _follow(self, group: Group, lv: Lv) -> None:
        if self._group.is_open(lv):
            raise InUse(f"{group.name}/{lv.name} is open while its growth is unfinished: close it")
        self._group.deactivate(lv)
        for each in group.snapshots_of(lv):
            extents = cow_extents(lv.size, each.segments[0].chunk, group.extent)
            with suppress(Unchanged):
                self._group.run(commands.extend(group.name, each.name, extents=extents))

    def _reserved(self, group: Group, lv: Lv) -> Sequence[Lv]:
        return [each for each in group.lvs.values() if each.tag(names.TAIL) == lv.object_id]

    def _reserve(self, group: Group, lv: Lv, extents: int) -> Sequence[Lv]:
        """Temporary volumes that take the free extents which ``lv`` is to get; none if unwiped."""
        for left in self._reserved(group, lv):
            self._drop(left)
        if self._group.options.wipe is Wipe.NONE:
            return []
        taken: list[Lv] = []
        try:
            for number, part in enumerate(self._parts(group, lv, extents)):
                taken.append(self._take(lv, number, *part))
        except StorageError:
            for each in taken:
                self._drop(each)
            raise
        return taken

    def _parts(self, group: Group, lv: Lv, extents: int) -> Iterable[tuple[Shape, int, list[str]]]:
        """What to take: shape, extents and disks of each temporary volume.

        LVM places a temporary volume of the same type like the real one, but a RAID of its own would
        have metadata extents: so each image's share is taken as a linear volume on that image's disk.
        """
        shape = layouts.of(lv)
        if shape.copies == 1:
            yield shape, extents, []
            return
        images = sorted(
            (each for each in group.children_of(lv) if "image" in each.roles),
            key=lambda each: int(each.name.rpartition("_")[2]),
        )
        for image in images:
            disk = image.ranges[-1].partition(":")[0]
            yield Shape(Layout.LINEAR), extents // shape.stripes, [disk]

    def _take(self, lv: Lv, number: int, shape: Shape, extents: int, disks: list[str]) -> Lv:
        name = names.temporary(f"tail{number}", lv.object_id)
        argv = commands.create_thick(
            self._group.name,
            name,
            extents=extents,
            shape=shape.arguments,
            tags=[f"{names.TAIL}{lv.object_id}"],
            on=disks,
        )
        self._group.run(argv)
        return self._group.read().lvs[name]

    def _zero(self, lv: Lv) -> None:
        connection = self._group.connection(lv)
        self._group.step(f"zero {lv.name}")
        with self._group.blocks.opened(connection, write=True) as descriptor:
            self._group.blocks.zero(descriptor, 0, connection.size, self._group.tick)

    def _drop(self, lv: Lv) -> None:
        self._group.run(commands.remove(self._group.name, lv.name))

    def _compare(self, group: Group, lv: Lv) -> None:
        """Prove that LVM, if it grew the volume, used the zeroed extents and no others."""
        before = int(lv.tag(names.GROWING))
        if lv.size == before:
            return
        marks = sorted(tag for tag in lv.tags if tag.startswith(names.ZEROED))
        ranges = group.located(tag[len(names.ZEROED) :] for tag in marks)
        parts = [lv, *group.children_of(lv)]
        owned = {extent for part in parts for extent in _extents(part.ranges)}
        if missing := set(_extents(ranges)) - owned:
            raise Unavailable(
                f"LVM grew {group.name}/{lv.name} onto other extents than the {len(missing)} that were"
                f" zeroed for it: what lies beyond byte {before} may be old blocks of others. Zero that"
                f" by hand, then take the tags {names.GROWING}* and {names.ZEROED}* off with lvchange"
            )


def cow_extents(origin: int, chunk: int, extent: int) -> int:
    """The extents of a COW area that can hold every chunk of an origin of ``origin`` bytes.

    ``lvcreate`` computes this for ``100%ORIGIN``; ``lvextend`` (seen with 2.03.16) takes the origin's
    own size, with which the area overflows. The kernel keeps a header chunk and, before each run of
    chunks, one chunk of 16-byte exceptions.
    """
    chunks = -(-origin // chunk)
    tables = -(-chunks // (chunk // 16)) + 1
    return -(-(1 + tables + chunks) * chunk // extent)


def _extents(ranges: Iterable[str]) -> Iterable[tuple[str, int]]:
    for each in ranges:
        disk, _, span = each.rpartition(":")
        first, _, last = span.partition("-")
        for extent in range(int(first), int(last) + 1):
            yield disk, extent
