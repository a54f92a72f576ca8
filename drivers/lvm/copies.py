"""Volumes that start with the bytes of a snapshot or of another volume.

Within one thin pool that is a snapshot and takes no time. Everything else is copied by a job, block by
block. A live volume is copied from a temporary snapshot of it, since a copy of what moves is torn.
The new volume keeps its mark of being unfinished until the last byte is on the disk, so a repeated call
finds it and goes on, in this process or the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from drivers.errors import Busy, Exhausted, NotFound, OutOfRange, Precondition, Unavailable
from drivers.lvm import commands, devices, layouts, names, records
from drivers.lvm.blocks import Tick
from drivers.lvm.connections import Connections
from drivers.lvm.group import VolumeGroup
from drivers.lvm.jobs import Jobs
from drivers.lvm.layouts import Shape
from drivers.lvm.options import Layout
from drivers.lvm.removal import Removal
from drivers.lvm.report import Group, Lv
from drivers.lvm.volumes import Volumes
from drivers.model import Content, Source, Volume, VolumeSpec

FILLED = (Content.FORMATTED, Content.INHERITED, Content.ADOPTED)


class Copies:
    """Volumes made from something, and volumes that are zeroed when they are made."""

    def __init__(
        self,
        group: VolumeGroup,
        volumes: Volumes,
        removal: Removal,
        connections: Connections,
        jobs: Jobs,
    ) -> None:
        self._group = group
        self._volumes = volumes
        self._removal = removal
        self._connections = connections
        self._jobs = jobs

    def create(self, spec: VolumeSpec, source: Source | None, origin: str = "") -> Volume:
        """Make the volume from the LV with the object id ``origin``; None for ``source``: zeroed.

        Waits for the job until the caller's deadline, then raises `InProgress`.
        """
        with self._group.changing() as now:
            if (lv := self._volumes.finished(now, spec.name)) is not None:
                return records.volume(now, lv)
            target = self._begin(now, spec, source, origin)
            if target.is_thin and names.CREATING not in target.tags:
                return records.volume(self._group.read(), target)
            job = self._jobs.start(
                target.object_id,
                "copy" if source else "zeroing",
                f"{now.id}.{target.object_id}",
                target.size,
                lambda tick: self._fill(target, origin, tick),
            )
        self._jobs.wait(job)
        after = self._group.read()
        finished = self._volumes.finished(after, spec.name)
        if finished is None:
            raise Busy(f"volume {spec.name} was filled and is gone again; ask again")
        return records.volume(after, finished)

    def _begin(self, group: Group, spec: VolumeSpec, source: Source | None, origin: str) -> Lv:
        """The LV to fill: the one that an earlier call began, or a new one."""
        shape = layouts.shape(spec.options, self._group.options)
        if source is not None:
            self._volumes.refuse_reverting(group, _find(group, origin))
        left = group.lvs.get(names.volume(spec.name))
        if left is not None and self._is_same(group, left, spec, source, shape):
            return left
        self._volumes.clear(group, spec.name)
        if source is None:
            return self._volumes.make(spec, shape, Content.BLANK, None, zeroed=True)
        held = _find(self._group.read(), origin)
        size, content = _measure(group, held)
        if layouts.rounded(spec.size, shape, group.extent) < size:
            raise OutOfRange(
                f"{source.id} has {size} bytes; a volume made from it cannot be smaller"
            )
        if shape.layout is Layout.THIN and held.is_thin:
            return self._share(spec, shape, content, source, held)
        target = self._volumes.make(spec, shape, content, source)
        if source.kind is source.kind.VOLUME:
            with self._undone(target.object_id):
                self._cut(held, target)
        return target

    @contextmanager
    def _undone(self, object_id: str) -> Iterator[None]:
        """Discard what was made if there is no room for the rest.

        The caller is sent to another node by that, and nobody would ask for it here again.
        """
        try:
            yield
        except Exhausted:
            now = self._group.read()
            for lv in now.lvs.values():
                if lv.object_id == object_id:
                    self._volumes.discard(now, lv)
            raise

    def _is_same(
        self, group: Group, left: Lv, spec: VolumeSpec, source: Source | None, shape: Shape
    ) -> bool:
        """Whether an unfinished LV is the beginning of exactly this volume, and can be gone on with.

        A clone without its temporary snapshot has lost the moment it was to show: it begins anew. A
        thin one is cheaper made again than judged.
        """
        if names.CREATING not in left.tags or names.DELETING in left.tags:
            return False
        begun = records.volume(group, left)
        lasts = source is None or source.kind is source.kind.SNAPSHOT
        return (
            (lasts or self._has_moment(group, left))
            and not (left.is_thin and source is None)
            and begun.source == source
            and begun.options == shape.options
            and begun.properties == spec.properties
            and begun.size == layouts.rounded(spec.size, shape, group.extent)
            and not self._is_share(group, left)
        )

    def _has_moment(self, group: Group, left: Lv) -> bool:
        return any(
            each.tag(names.COPY) == left.object_id
            and not {names.CREATING, names.DELETING} & each.tags
            for each in group.lvs.values()
        )

    def _is_share(self, group: Group, left: Lv) -> bool:
        # Made as a snapshot in its own pool: LVM tells the origin, which may be gone by now.
        return left.is_thin and bool(left.origin)

    def _share(
        self, spec: VolumeSpec, shape: Shape, content: Content, source: Source, held: Lv
    ) -> Lv:
        """A finished thin volume that shares its blocks with ``held``."""
        now = self._group.read()
        self._volumes.admit(now, held)
        size = layouts.rounded(spec.size, shape, now.extent)
        self._volumes.admit_thin(now, held, size)
        object_id = names.object_id()
        tags = records.volume_tags(object_id, spec, shape, content, source)
        name = names.volume(spec.name)
        with devices.still(self._group, held):
            self._group.run(
                commands.snapshot_thin(now.name, held.name, name, skip=False, tags=tags)
            )
        if size > held.size:
            with self._undone(object_id):
                self._group.run(commands.extend(now.name, name, extents=size // now.extent))
        lv = self._volumes.verified(object_id, shape, size)
        self._volumes.finish(lv)
        return self._group.read().lvs[lv.name]

    def _cut(self, held: Lv, target: Lv) -> None:
        """A temporary snapshot of a volume, for the copy to ``target`` to read.

        Marked until it is known that the volume was still while it was cut: a retry throws it away.
        """
        self._volumes.admit(self._group.read(), held)
        name = names.temporary("copy", target.object_id)
        tags = [f"{names.COPY}{target.object_id}", names.CREATING]
        vg = self._group.name
        with devices.still(self._group, held):
            if held.is_thin:
                argv = commands.snapshot_thin(vg, held.name, name, skip=True, tags=tags)
            else:
                argv = commands.snapshot_cow(vg, held.name, name, tags=tags)
            self._group.run(argv)
        self._group.run(commands.retag(vg, name, remove={names.CREATING}))

    def _fill(self, target: Lv, origin: str, tick: Tick) -> None:
        """The job: everything from the first block to taking the mark off."""
        connection = self._group.connection(target)
        with self._group.blocks.opened(connection, write=True) as descriptor:
            done = self._copy(target, origin, descriptor, tick) if origin else 0
            self._group.step(f"zero the rest of {target.name}")
            if not target.is_thin:
                self._group.blocks.zero(
                    descriptor, done, connection.size - done, lambda more: tick(done + more)
                )
        with self._group.changing() as now:
            for each in now.lvs.values():
                if each.tag(names.COPY) == target.object_id:
                    self._removal.remove(each)
            self._volumes.finish(target)

    def _copy(self, target: Lv, origin: str, descriptor: int, tick: Tick) -> int:
        with self._source(target, origin) as (source, length):
            self._group.step(f"copy to {target.name}")
            self._group.blocks.copy(source, descriptor, length, tick)
        return length

    @contextmanager
    def _source(self, target: Lv, origin: str) -> Iterator[tuple[int, int]]:
        group = self._group.read()
        held = _find(group, origin)
        temporary = group.lvs.get(names.temporary("copy", target.object_id))
        length, _content = _measure(group, held)
        read = temporary or held
        with self._connections.reading(group, read) as connection:
            with self._group.blocks.opened(connection) as descriptor:
                yield descriptor, min(length, connection.size)
            if devices.is_invalid(self._group, read):
                self._refuse_overflown(read)

    def _refuse_overflown(self, read: Lv) -> None:
        where = f"snapshot {self._group.name}/{read.name} overflowed while it was copied"
        if not read.tag(names.COPY):
            raise Precondition(f"{where}: it cannot be used; delete it and make a new one")
        with self._group.changing():
            self._removal.remove(self._group.again(read))
        raise Unavailable(f"{where}: the copy begins anew, at another moment, when asked again")


def _find(group: Group, object_id: str) -> Lv:
    catalogue = records.catalogue(group)
    lv = catalogue.snapshots.get(object_id) or catalogue.volumes.get(object_id)
    if lv is None:
        raise NotFound(f"{group.id}.{object_id} does not exist in volume group {group.name}")
    return lv


def _measure(group: Group, lv: Lv) -> tuple[int, Content]:
    """The bytes that a copy of ``lv`` must hold, and what they are to the copy."""
    if lv.fields["kind"] == records.SNAPSHOT:
        snapshot = records.snapshot(group, lv, usable=True)
        size, content = snapshot.size, snapshot.content
    else:
        volume = records.volume(group, lv)
        size, content = volume.size, volume.content
    return size, Content.INHERITED if content in FILLED else content
