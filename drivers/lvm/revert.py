"""Taking a volume back to one of its snapshots, with every id, every snapshot and its size kept.

Thin: a snapshot of the snapshot gets the volume's id and tags; taking its mark off is the commit, then
the old volume goes. Until then the old one is the volume, afterwards the new one names it as replaced.

Thick: LVM merges the snapshot into its origin and consumes it. So what the snapshot was is first noted on
the origin, its COW area's extents too; after the merge these are wiped (they hold blocks of the origin) and
the snapshot is cut anew, which shows the same bytes. The note is taken off last, and as long as it is there,
nobody grows or snapshots the volume, and whoever connects it finishes the revert first. Whatever point
a process died at, `Revert.finish` goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from drivers.errors import Exhausted, InUse, Invalid, Precondition, StorageError, Unavailable
from drivers.lvm import commands, layouts, names, records
from drivers.lvm.capacity import Capacity
from drivers.lvm.group import VolumeGroup
from drivers.lvm.layouts import Shape
from drivers.lvm.options import Layout, Wipe
from drivers.lvm.removal import Removal
from drivers.lvm.report import Group, Lv
from drivers.lvm.snapshots import Snapshots
from drivers.lvm.volumes import Volumes
from drivers.model import Volume

log = logging.getLogger(__name__)

# The snapshot's own tags are kept on the origin under this prefix while the merge eats the snapshot.
NOTE = "hearth.note="


class Revert:
    """Reverting the volumes of one group."""

    def __init__(
        self,
        group: VolumeGroup,
        volumes: Volumes,
        snapshots: Snapshots,
        removal: Removal,
        capacity: Capacity,
    ) -> None:
        self._group = group
        self._volumes = volumes
        self._snapshots = snapshots
        self._removal = removal
        self._capacity = capacity

    def revert(self, volume_id: str, snapshot_id: str) -> Volume:
        """See `RevertDriver.revert_to_snapshot`."""
        with self._group.changing() as now:
            lv = self._volumes.lv(now, volume_id)
            if lv.tag(names.REVERTING):
                return self._resume(lv, snapshot_id)
            snapshot = self._snapshots.lv(now, snapshot_id)
            self._check(now, lv, snapshot, volume_id, snapshot_id)
            self._volumes.settled(now, volume_id)
            if lv.is_thin:
                return self._swap(now, lv, snapshot)
            self._capacity.refuse_unwiped(now)
            self._note(lv, snapshot)
            return self._merge(self._group.again(lv))

    def recover(self) -> None:
        """Go on with what was begun and not finished; what cannot be, stays marked for the next try."""
        with self._group.changing() as now:
            for lv in now.lvs.values():
                try:
                    self.finish(now, lv)
                except StorageError as error:
                    log.warning("the revert of %s/%s is unfinished: %s", now.name, lv.name, error)

    def finish(self, group: Group, lv: Lv) -> None:
        """Go on with the revert of ``lv``, if one is unfinished. Called while changing the group."""
        if lv.tag(names.REVERTING):
            self._merge(lv)
        elif lv.tag(names.REPLACES):
            self._drop_replaced(group, lv)

    def _check(self, group: Group, lv: Lv, snapshot: Lv, volume_id: str, snapshot_id: str) -> None:
        if self._snapshots.record(group, snapshot).volume_id != volume_id:
            raise Invalid(f"snapshot {snapshot_id} is not a snapshot of volume {volume_id}")
        # A thick volume's other snapshots are active with it: an open one cannot be merged past.
        for each in (lv, *group.snapshots_of(lv)):
            if self._group.is_open(each):
                raise InUse(f"{group.name}/{each.name} is open: stop the pod that uses {volume_id}")

    def _resume(self, lv: Lv, snapshot_id: str) -> Volume:
        if lv.tag(names.REVERTING) != self._group.object_id(snapshot_id):
            raise InUse(
                f"volume {lv.name} is being reverted to snapshot {lv.tag(names.REVERTING)}:"
                " ask for that again first"
            )
        return self._merge(lv)

    # Thin

    def _swap(self, group: Group, lv: Lv, snapshot: Lv) -> Volume:
        """Put a copy of the snapshot in the volume's place; the mark's removal is the commit."""
        self._volumes.admit(group, lv)
        if lv.tag(names.REPLACES):
            self._drop_replaced(group, lv)
        name = names.temporary("revert", lv.object_id)
        if (left := group.lvs.get(name)) is not None:
            self._remove_leftover(left)
        tags = [*self._kept(lv, snapshot), f"{names.REPLACES}{lv.uuid}", names.CREATING]
        self._group.run(
            commands.snapshot_thin(group.name, snapshot.name, name, skip=False, tags=tags)
        )
        if lv.size > snapshot.size:
            extents = lv.size // group.extent
            self._group.run(commands.extend(group.name, name, extents=extents))
        new = self._group.read().lvs.get(name)
        if new is None or new.size != lv.size or layouts.of(new) != Shape(Layout.THIN):
            raise Unavailable(f"LVM reported success, but {name} is not a copy of {snapshot.name}")
        self._group.retag(new, remove={names.CREATING})
        return self._drop_replaced(self._group.read(), self._group.again(new))

    def _remove_leftover(self, left: Lv) -> None:
        if names.CREATING not in left.tags:
            raise Precondition(
                f"logical volume {self._group.name}/{left.name} has a name that only an unfinished"
                " revert may have: rename it"
            )
        self._removal.remove(left)

    def _drop_replaced(self, group: Group, new: Lv) -> Volume:
        """Remove what ``new`` took the place of, then give it the name and forget the rest."""
        old = next((lv for lv in group.lvs.values() if lv.uuid == new.tag(names.REPLACES)), None)
        if names.CREATING in new.tags:
            self._removal.remove(new)
            return records.volume(group, old or new)
        if old is not None:
            self._group.deactivate(old)
            self._group.run(commands.remove(group.name, old.name))
        wanted = f"vol-{new.tag(names.NAME)}"
        if new.name != wanted and wanted not in self._group.read().lvs:
            self._group.run(commands.rename(group.name, new.name, wanted))
        mark = f"{names.REPLACES}{new.tag(names.REPLACES)}"
        self._group.retag(self._group.again(new), remove={mark})
        return records.volume(self._group.read(), self._group.again(new))

    def _kept(self, lv: Lv, snapshot: Lv) -> Iterable[str]:
        """The volume's own tags; its content is what the snapshot held."""
        add, remove = records.with_fields(lv, content=self._content(snapshot))
        return (lv.tags - remove - {f"{names.REPLACES}{lv.tag(names.REPLACES)}"}) | add

    def _content(self, snapshot: Lv) -> str:
        return snapshot.fields["content"]

    # Thick

    def _note(self, lv: Lv, snapshot: Lv) -> None:
        """Write on the origin, in one transaction, all that the merge will destroy."""
        kept = [f"{NOTE}{tag}" for tag in snapshot.tags]
        area = [f"{names.AREA}{number}={spot}" for number, spot in enumerate(snapshot.ranges)]
        # What lies beyond a smaller snapshot stays as it was.
        content, outdated = records.with_fields(lv, content=self._content(snapshot), zeroed="")
        mark = f"{names.REVERTING}{snapshot.object_id}"
        self._group.retag(lv, add={mark, *kept, *area, *content}, remove=outdated)

    def _merge(self, lv: Lv) -> Volume:
        """From the note to the end; every step is skipped if an earlier process did it."""
        now = self._group.read()
        snapshot = self._noted(now, lv)
        if self._group.is_open(lv):
            raise InUse(f"{now.name}/{lv.name} is open while its revert is unfinished: close it")
        if snapshot is not None and names.CREATING not in snapshot.tags:
            self._merged(lv, snapshot)
        self._wipe(self._group.again(lv))
        self._cut_again(self._group.again(lv))
        done = self._group.again(lv)
        self._group.deactivate(done)
        notes = {tag for tag in done.tags if tag.startswith((NOTE, names.AREA, names.REVERTING))}
        self._group.retag(done, remove=notes)
        return records.volume(self._group.read(), self._group.again(lv))

    def _merged(self, lv: Lv, snapshot: Lv) -> None:
        """Merge, and return when the kernel has copied the last block.

        LVM merges an active, closed origin before it returns; an inactive one "on next activation", and
        a merge that was interrupted goes on when the origin is deactivated and activated again.
        """
        self._group.activate(lv)
        if not snapshot.merging:
            self._group.run(commands.merge(self._group.name, snapshot.name))
        if self._noted(self._group.read(), lv) is not None:
            self._group.deactivate(lv)
            self._group.activate(lv)
            self._group.run(commands.wait_for_merge(self._group.name, lv.name))
        if self._noted(self._group.read(), lv) is not None:
            raise Unavailable(f"the merge into {lv.name} is not finished; ask again")

    def _noted(self, group: Group, lv: Lv) -> Lv | None:
        """The snapshot that the note is about, as long as it is in the group."""
        tag = f"{names.ID}{lv.tag(names.REVERTING)}"
        return next((each for each in group.lvs.values() if tag in each.tags), None)

    def _wipe(self, lv: Lv) -> None:
        """Zero the extents of the area that was merged: take exactly these, wipe, give back.

        Until the note about them is off, nobody else gets extents (`Capacity.refuse_unwiped`).
        """
        area = {tag for tag in lv.tags if tag.startswith(names.AREA)}
        group, name = self._group.read(), names.temporary("area", lv.object_id)
        if area and self._group.options.wipe is not Wipe.NONE and not self._is_cut(group, lv):
            if name not in group.lvs:
                self._take(group, lv, name, [tag.rpartition("=")[2] for tag in sorted(area)])
            connection = self._group.connection(self._group.read().lvs[name])
            self._group.step(f"wipe {name}")
            with self._group.blocks.opened(connection, write=True) as descriptor:
                self._group.blocks.zero(descriptor, 0, connection.size)
            self._group.retag(lv, remove=area)
        if name in self._group.read().lvs:
            self._group.run(commands.remove(group.name, name))

    def _take(self, group: Group, lv: Lv, name: str, area: Sequence[str]) -> None:
        argv = commands.create_thick(
            group.name,
            name,
            extents=sum(_count(spot) for spot in area),
            shape=Shape(Layout.LINEAR).arguments,
            tags=[f"{names.TAIL}{lv.object_id}"],
            on=area,
        )
        try:
            self._group.run(argv)
        except Exhausted as error:
            raise Unavailable(
                f"the extents {' '.join(area)} of {group.name} held blocks of {lv.name} and were taken"
                f" by somebody else before they were wiped: remove the tags {names.AREA}* of {lv.name}"
                f" with lvchange --deltag once that is dealt with ({error})"
            ) from error

    def _is_cut(self, group: Group, lv: Lv) -> bool:
        return self._noted(group, lv) is not None

    def _cut_again(self, lv: Lv) -> None:
        """The consumed snapshot once more, with its id, time and name."""
        now = self._group.read()
        snapshot = self._noted(now, lv)
        kept = {tag[len(NOTE) :] for tag in lv.tags if tag.startswith(NOTE)}
        if snapshot is None:
            name = (
                f"snap-{next(tag[len(names.NAME) :] for tag in kept if tag.startswith(names.NAME))}"
            )
            tags = sorted(kept | {names.CREATING})
            self._group.run(commands.snapshot_cow(now.name, lv.name, name, tags=tags))
            snapshot = self._noted(self._group.read(), lv)
        if snapshot is None:
            raise Unavailable(f"LVM reported success, but {lv.name} has no new snapshot")
        if names.CREATING in snapshot.tags:
            self._group.retag(snapshot, remove={names.CREATING})


def _count(spot: str) -> int:
    first, _, last = spot.rpartition(":")[2].partition("-")
    return int(last) - int(first) + 1
