"""Taking a volume back to one of its snapshots, with every id, every snapshot and its size kept.

Thin: a snapshot of the snapshot gets the volume's id and tags; taking its mark off is the commit, then
the old volume goes. Until then the old one is the volume, afterwards the new one names it as replaced.

Thick: see `drivers.lvm.merge`. Whoever connects a volume finishes its revert first. Whatever point a process
died at, `Revert.finish` goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

from drivers.errors import InUse, Invalid, Precondition, StorageError, Unavailable
from drivers.lvm import commands, layouts, names, records
from drivers.lvm.capacity import Capacity
from drivers.lvm.group import VolumeGroup
from drivers.lvm.layouts import Shape
from drivers.lvm.merge import Merge, reverted
from drivers.lvm.options import Layout
from drivers.lvm.removal import Removal
from drivers.lvm.report import Group, Lv
from drivers.lvm.snapshots import Snapshots
from drivers.lvm.volumes import Volumes
from drivers.model import Volume

log = logging.getLogger(__name__)


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
        self._merge = Merge(group)

    def revert(self, volume_id: str, snapshot_id: str) -> Volume:
        """See `RevertDriver.revert_to_snapshot`."""
        with self._merge.alone(self._group.object_id(volume_id)):
            with self._group.changing() as now:
                lv = self._volumes.lv(now, volume_id)
                if lv.tag(names.REVERTING):
                    self._refuse_another(lv, snapshot_id)
                else:
                    snapshot = self._snapshots.lv(now, snapshot_id)
                    self._check(now, lv, snapshot, volume_id, snapshot_id)
                    self._volumes.settled(now, volume_id)
                    if lv.is_thin:
                        return self._swap(now, lv, snapshot)
                    self._capacity.refuse_unwiped(now)
                    self._merge.note(lv, snapshot)
            return self._merge.finish(lv)

    def recover(self) -> None:
        """Go on with what was begun and not finished; what cannot be, stays marked for the next try."""
        now = self._group.read()
        for lv in now.lvs.values():
            try:
                self.finish(lv)
            except StorageError as error:
                log.warning("the revert of %s/%s is unfinished: %s", now.name, lv.name, error)

    def finish(self, lv: Lv) -> None:
        """Go on with the revert of ``lv``, if one is unfinished. Not called while changing the group.

        Raises `Busy` if that is under way.
        """
        if lv.tag(names.REVERTING):
            with self._merge.alone(lv.object_id):
                self._merge.finish(lv)
        elif lv.tag(names.REPLACES):
            with self._group.changing() as now:
                new = self._group.again(lv)
                if new.tag(names.REPLACES):
                    self._drop_replaced(now, new)

    def _check(self, group: Group, lv: Lv, snapshot: Lv, volume_id: str, snapshot_id: str) -> None:
        if self._snapshots.record(group, snapshot).volume_id != volume_id:
            raise Invalid(f"snapshot {snapshot_id} is not a snapshot of volume {volume_id}")
        # A thick volume's other snapshots are active with it: an open one cannot be merged past.
        for each in (lv, *group.snapshots_of(lv)):
            if self._group.is_open(each):
                raise InUse(f"{group.name}/{each.name} is open: stop the pod that uses {volume_id}")

    def _refuse_another(self, lv: Lv, snapshot_id: str) -> None:
        if lv.tag(names.REVERTING) != self._group.object_id(snapshot_id):
            raise InUse(
                f"volume {lv.name} is being reverted to snapshot {lv.tag(names.REVERTING)}:"
                " ask for that again first"
            )

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
        add, remove = records.with_fields(lv, content=reverted(lv, snapshot))
        return (lv.tags - remove - {f"{names.REPLACES}{lv.tag(names.REPLACES)}"}) | add
