"""Snapshots: cutting, finding, deleting."""

from __future__ import annotations

from collections.abc import Sequence, Set
from datetime import UTC, datetime

from drivers.errors import Busy, InUse, Invalid, NotFound, Precondition, Unavailable
from drivers.lvm import commands, devices, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.removal import Removal
from drivers.lvm.report import Group, Lv
from drivers.lvm.volumes import Volumes
from drivers.model import Snapshot, SnapshotSpec, Source, SourceKind


class Snapshots:
    """The snapshots of one group."""

    def __init__(self, group: VolumeGroup, volumes: Volumes, removal: Removal) -> None:
        self._group = group
        self._volumes = volumes
        self._removal = removal

    def lv(self, group: Group, identifier: str) -> Lv:
        """The LV of a snapshot id; raises `NotFound`."""
        if (lv := self.find(group, self._group.object_id(identifier))) is None:
            raise NotFound(f"snapshot {identifier} does not exist in volume group {group.name}")
        return lv

    def find(self, group: Group, object_id: str) -> Lv | None:
        """The LV of a snapshot's object id, or None if it is provably absent.

        Raises `Busy` while it is consumed by a revert that will bring it back.
        """
        if (lv := records.catalogue(group).snapshots.get(object_id)) is None:
            records.refuse_illegible(group, object_id)
            self._refuse_consumed(group, {object_id})
        return lv

    def all(self, group: Group) -> Sequence[Snapshot]:
        """All snapshots, by id; raises `Busy` while one is consumed: a list without it would be wrong."""
        found = records.catalogue(group).snapshots
        reverting = {lv.tag(names.REVERTING) for lv in group.lvs.values()}
        self._refuse_consumed(group, reverting - found.keys() - {""})
        return [self.record(group, found[key]) for key in sorted(found)]

    def _refuse_consumed(self, group: Group, object_ids: Set[str]) -> None:
        for lv in group.lvs.values():
            if (object_id := lv.tag(names.REVERTING)) in object_ids:
                raise Busy(
                    f"a volume is being reverted to snapshot {group.id}.{object_id}; ask again"
                )

    def record(self, group: Group, lv: Lv) -> Snapshot:
        """The snapshot that ``lv`` is."""
        return records.snapshot(group, lv, usable=not devices.is_invalid(self._group, lv))

    def finished(self, group: Group, name: str) -> Lv | None:
        """The finished snapshot that was made under a caller's name."""
        wanted = f"{names.NAME}{names.digest(name)}"
        snapshots = records.catalogue(group).snapshots.values()
        return next((lv for lv in snapshots if wanted in lv.tags), None)

    def create(self, spec: SnapshotSpec) -> Snapshot:
        """See `SnapshotDriver.create_snapshot`."""
        with self._group.changing() as now:
            if (lv := self.finished(now, spec.name)) is not None:
                return self.record(now, lv)
            origin = self._volumes.settled(now, spec.volume_id)
            self._clear(now, spec.name)
            self._volumes.admit(now, origin)
            try:
                lv = self._cut(now, origin, spec)
            except Unavailable:
                self._clear(
                    self._group.read(), spec.name
                )  # cut too late, or not what was asked for
                raise
            self._group.retag(lv, remove={names.CREATING})
            return self.record(now, lv)

    def delete(self, identifier: str) -> None:
        """See `SnapshotDriver.delete_snapshot`."""
        if not self._group.owns(identifier):
            return
        with self._group.changing() as now:
            object_id = self._group.object_id(identifier)
            if (lv := self.find(now, object_id)) is None:
                return
            self._refuse_member(now, lv)
            self._volumes.refuse_reverting(now, lv)
            self._volumes.abandon_copies(now, Source(SourceKind.SNAPSHOT, identifier))
            if records.is_kept(lv):
                raise Precondition(
                    f"snapshot {identifier} ({now.name}/{lv.name}) was adopted and is never deleted:"
                    " release it, then remove it by hand, or adopt it with leave to delete"
                )
            if self._group.is_open(lv):
                raise InUse(f"snapshot {identifier} ({now.name}/{lv.name}) is being read")
            if lv.is_thin:
                self._group.deactivate(lv)
            self._removal.remove(lv)

    def _refuse_member(self, group: Group, lv: Lv) -> None:
        if (cut := records.cut_of(group, lv)) is not None:
            raise Invalid(
                f"snapshot {group.id}.{lv.object_id} ({group.name}/{lv.name}) is a member of group"
                f" snapshot {cut}, and goes with that alone"
            )

    def _cut(self, group: Group, origin: Lv, spec: SnapshotSpec) -> Lv:
        object_id, name = names.object_id(), names.snapshot(spec.name)
        volume = records.volume(group, origin)
        tags = records.snapshot_tags(object_id, spec, volume, datetime.now(UTC))
        with devices.still(self._group, origin):
            if origin.is_thin:
                argv = commands.snapshot_thin(group.name, origin.name, name, skip=True, tags=tags)
            else:
                argv = commands.snapshot_cow(group.name, origin.name, name, tags=tags)
            self._group.run(argv)
        tag = f"{names.ID}{object_id}"
        cut = next((lv for lv in self._group.read().lvs.values() if tag in lv.tags), None)
        if cut is None or cut.origin != origin.name or cut.is_thin is not origin.is_thin:
            raise Unavailable(f"LVM reported success, but {name} is no snapshot of {origin.name}")
        return cut

    def _clear(self, group: Group, name: str) -> None:
        left = group.lvs.get(names.snapshot(name))
        if left is not None and {names.CREATING, names.DELETING} & left.tags:
            self._removal.remove(left)
