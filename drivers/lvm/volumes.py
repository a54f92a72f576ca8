"""Volumes: finding, making, deleting, marking."""

from __future__ import annotations

from drivers.errors import Busy, Exhausted, Exists, InUse, NotFound, Precondition, Unavailable
from drivers.lvm import commands, layouts, names, records
from drivers.lvm.capacity import STALE, Capacity
from drivers.lvm.group import VolumeGroup
from drivers.lvm.jobs import Jobs
from drivers.lvm.layouts import Shape
from drivers.lvm.options import ENDS, Layout
from drivers.lvm.removal import Removal
from drivers.lvm.report import Group, Lv
from drivers.model import Content, Source, SourceKind, Volume, VolumeSpec


class Volumes:
    """The volumes of one group."""

    def __init__(
        self, group: VolumeGroup, capacity: Capacity, removal: Removal, jobs: Jobs
    ) -> None:
        self._group = group
        self._capacity = capacity
        self._removal = removal
        self._jobs = jobs

    def recent(self, identifier: str) -> Group:
        """The group as it was seen a moment ago, unless that lacks the object: it may be newer."""
        now, object_id = self._group.inventory.recent(STALE), self._group.object_id(identifier)
        known = records.catalogue(now)
        seen = object_id in known.volumes or object_id in known.snapshots
        return now if seen else self._group.read()

    def lv(self, group: Group, identifier: str) -> Lv:
        """The LV of a volume id; raises `NotFound`."""
        if (lv := self.find(group, identifier)) is None:
            raise NotFound(f"volume {identifier} does not exist in volume group {group.name}")
        return lv

    def find(self, group: Group, identifier: str) -> Lv | None:
        """As `lv`, or None if the volume is provably absent."""
        object_id = self._group.object_id(identifier)
        if (lv := records.catalogue(group).volumes.get(object_id)) is None:
            records.refuse_illegible(group, object_id)
        return lv

    def settled(self, group: Group, identifier: str) -> Lv:
        """As `lv`; raises `Busy` while a growth or a revert of the volume is unfinished."""
        lv = self.lv(group, identifier)
        if not self.is_settled(lv):
            raise Busy(f"volume {identifier} is being grown or reverted; ask again")
        return lv

    def is_settled(self, lv: Lv) -> bool:
        """Whether no growth and no revert of the volume is unfinished."""
        return not (lv.tag(names.GROWING) or lv.tag(names.REVERTING))

    def refuse_reverting(self, group: Group, lv: Lv) -> None:
        """Raise `Busy` while ``lv`` is a thick volume that is being reverted, or a snapshot of one."""
        root = group.lvs[lv.origin] if lv.is_cow else lv
        if root.tag(names.REVERTING):
            raise Busy(f"volume {group.id}.{root.object_id} is being reverted; ask again")

    def finished(self, group: Group, name: str) -> Lv | None:
        """The finished volume that was made under a caller's name."""
        wanted = f"{names.NAME}{names.digest(name)}"
        volumes = records.catalogue(group).volumes.values()
        return next((lv for lv in volumes if wanted in lv.tags), None)

    def has_begun(self, group: Group, name: str) -> bool:
        """Whether a volume for a caller's name is being made, or was when its maker died."""
        lv = group.lvs.get(names.volume(name))
        return lv is not None and names.CREATING in lv.tags

    def create(self, spec: VolumeSpec) -> Volume:
        """See `VolumeDriver.create_volume`; the caller took care of what needs a whole zeroing."""
        with self._group.changing() as now:
            if (lv := self.finished(now, spec.name)) is not None:
                return records.volume(now, lv)
            self.clear(now, spec.name)
            shape = layouts.shape(spec.options, self._group.options)
            lv = self.make(spec, shape, Content.BLANK, None)
            if not lv.is_thin:
                self._zero_ends(lv)
            return self.finish(lv)

    def make(
        self,
        spec: VolumeSpec,
        shape: Shape,
        content: Content,
        source: Source | None,
        *,
        zeroed: bool = False,
    ) -> Lv:
        """A new LV, marked as unfinished; a thick one is active and holds whatever was there.

        Called while changing the group. ``zeroed``: the caller zeroes all of it before it is finished.
        """
        now = self._group.read()
        size = layouts.rounded(spec.size, shape, now.extent)
        object_id = names.object_id()
        tags = records.volume_tags(object_id, spec, shape, content, source, zeroed=zeroed)
        name = names.volume(spec.name)
        if shape.layout is Layout.THIN:
            pool = self._capacity.pool_for(now, size).name
            argv = commands.create_thin(now.name, name, pool=pool, size=size, tags=tags)
        else:
            extents = size // now.extent
            self._capacity.admit_thick(now, shape, extents)
            argv = commands.create_thick(
                now.name, name, extents=extents, shape=shape.arguments, tags=tags
            )
        self._group.run(argv)
        return self.verified(object_id, shape, size)

    def verified(self, object_id: str, shape: Shape, size: int) -> Lv:
        """The unfinished LV of that id as a new report shows it; LVM's word is not enough.

        Raises `Unavailable` if it is not there or is not what was asked for.
        """
        tag = f"{names.ID}{object_id}"
        lv = next((each for each in self._group.read().lvs.values() if tag in each.tags), None)
        if lv is None:
            raise Unavailable("LVM reported success, but the new logical volume is not there")
        if lv.size != size or layouts.of(lv) != shape:
            raise Unavailable(
                f"LVM made {lv.name} with {lv.size} bytes as {layouts.of(lv)}, not {size} as {shape}"
            )
        return lv

    def finish(self, lv: Lv) -> Volume:
        """Take the mark off, the last step of every creation."""
        self._group.deactivate(lv)
        self._group.retag(lv, remove={names.CREATING})
        return records.volume(self._group.inventory.latest(), lv)

    def clear(self, group: Group, name: str) -> None:
        """Make the LV name of a caller's name free; called while changing the group.

        What has it is a leftover: unfinished (nobody ever saw it), or deleted but not yet renamed.
        Anything else is an administrator's, and is left alone: `Exists`.
        """
        lv = group.lvs.get(names.volume(name))
        if lv is None:
            return
        if not {names.CREATING, names.DELETING} & lv.tags:
            raise Exists(
                f"logical volume {group.name}/{lv.name} has the name that this volume needs, and is"
                " not a volume of Hearth: rename it"
            )
        self.discard(group, lv)

    def discard(self, group: Group, lv: Lv) -> None:
        """Remove an unfinished volume; called while changing the group."""
        if self._jobs.find(lv.object_id) is not None:
            raise Busy(f"logical volume {lv.name} is being filled; ask again")
        for each in group.lvs.values():
            if each.tag(names.COPY) == lv.object_id:
                self._removal.remove(each)
        self._group.deactivate(lv)
        self._removal.remove(lv)

    def admit(self, group: Group, origin: Lv) -> None:
        """Raise `Exhausted` if the pool of a thin volume is above a watermark: no snapshots then.

        Those of a thick volume take extents of the group: `Busy` while freed ones are not wiped.
        """
        if origin.is_thin:
            self._capacity.admit(group.lvs[origin.pool])
        else:
            self._capacity.refuse_unwiped(group)

    def admit_thin(self, group: Group, origin: Lv, size: int) -> None:
        """Raise `Exhausted` if the pool of ``origin`` may not promise ``size`` more bytes.

        A pool that is above a watermark, or cannot be used, may not promise any: as `admit`.
        """
        self._capacity.admit(group.lvs[origin.pool])
        if (room := self._capacity.room_in(group, group.lvs[origin.pool])) < size:
            raise Exhausted(
                f"thin pool {group.name}/{origin.pool} may promise {room} more bytes, not {size}:"
                " extend the pool, raise overcommit, or delete volumes"
            )

    def delete(self, identifier: str) -> None:
        """See `VolumeDriver.delete_volume`."""
        if not self._group.owns(identifier):
            return
        with self._group.changing() as now:
            if (lv := self.find(now, identifier)) is None:
                return
            self.refuse_reverting(now, lv)
            self._refuse_deletion(now, lv, identifier)
            self.abandon_copies(now, Source(SourceKind.VOLUME, identifier))
            # What is left is nobody's: whoever makes a snapshot holds the volume's lock, and so do we.
            self._drop_others(lv)
            left = self._group.read()
            grown = [each for each in left.lvs.values() if each.tag(names.TAIL) == lv.object_id]
            for each in (*left.snapshots_of(lv), *grown):
                self._removal.remove(each)
            self._group.deactivate(lv)
            self._removal.remove(lv)

    def _drop_others(self, lv: Lv) -> None:
        """Remove what else has the id: what a revert replaced, or began to put in its place.

        First, or it would be the volume again once ``lv`` is gone.
        """
        for each in self._group.read().lvs.values():
            if each.object_id == lv.object_id and each.uuid != lv.uuid:
                self._group.deactivate(each)
                self._removal.remove(each)

    def abandon_copies(self, group: Group, source: Source) -> None:
        """Remove the unfinished copies of what is about to go; raises `Busy` if one is under way.

        Nobody could finish them. Called while changing the group.
        """
        for lv in group.lvs.values():
            if names.CREATING in lv.tags and lv.fields.get("source") == records.told(source):
                self.discard(group, lv)

    def set_content(self, identifier: str, content: Content) -> Volume:
        """See `VolumeDriver.set_content`."""
        with self._group.changing() as now:
            lv = self.lv(now, identifier)
            add, remove = records.with_fields(lv, content=content.value)
            if add or remove:
                self._group.retag(lv, add=add, remove=remove)
            return records.volume(self._group.read(), self._group.again(lv))

    def _refuse_deletion(self, group: Group, lv: Lv, identifier: str) -> None:
        if records.is_kept(lv):
            raise Precondition(
                f"volume {identifier} ({group.name}/{lv.name}) was adopted and is never deleted:"
                " release it, then remove the logical volume by hand, or adopt it with leave to delete"
            )
        if self._group.is_open(lv):
            raise InUse(f"volume {identifier} ({group.name}/{lv.name}) is open: unmount it first")
        finished = records.catalogue(group).snapshots
        # One without our tags is somebody else's, and would go with its origin.
        held = [
            each
            for each in group.snapshots_of(lv)
            if each.object_id in finished or not names.is_ours(each.tags)
        ]
        if held:
            told = ", ".join(
                f"{group.id}.{each.object_id} ({each.name})" if each.object_id else each.name
                for each in held
            )
            raise InUse(f"volume {identifier} has snapshots that cannot live without it: {told}")

    def _zero_ends(self, lv: Lv) -> None:
        connection, blocks = self._group.connection(lv), self._group.blocks
        self._group.step(f"zero the ends of {lv.name}")
        with blocks.opened(connection, write=True) as descriptor:
            blocks.zero(descriptor, 0, min(ENDS, connection.size))
            blocks.zero(descriptor, max(0, connection.size - ENDS), min(ENDS, connection.size))
