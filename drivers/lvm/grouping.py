"""The part of the LVM driver that is `GroupDriver`, each method handing on to the part that has the rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from drivers import interface
from drivers.errors import Exists, Invalid
from drivers.groups import Group, GroupId, GroupSnapshot, GroupSnapshotSpec
from drivers.lvm.capacity import Capacity
from drivers.lvm.group import VolumeGroup
from drivers.lvm.groups import Groups
from drivers.lvm.groupsnapshots import GroupSnapshots
from drivers.lvm.volumes import Volumes
from drivers.model import (
    GroupSnapshotId,
    SnapshotId,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeSpec,
)


class Grouping(interface.VolumeDriver, interface.SnapshotDriver, interface.GroupDriver):
    """Groups and group snapshots of logical volumes."""

    _group: VolumeGroup
    _groups: Groups
    _group_snapshots: GroupSnapshots

    def _can_group(self, group: VolumeGroup, volumes: Volumes, capacity: Capacity) -> None:
        """To be called once, when these are there."""
        self._group_snapshots = GroupSnapshots(group, volumes, capacity)
        self._groups = Groups(group, self._group_snapshots)

    def create_group(self, name: str, volume_ids: Sequence[VolumeId]) -> Group:
        return self._groups.create(name, volume_ids)

    def delete_group(self, group_id: GroupId) -> None:
        self._groups.delete(group_id)

    def update_group(
        self, group_id: GroupId, add: Sequence[VolumeId], remove: Sequence[VolumeId]
    ) -> Group:
        return self._groups.update(group_id, add, remove)

    def create_group_from_src(
        self, name: str, source: GroupSnapshotId, volumes: Mapping[SnapshotId, VolumeSpec]
    ) -> Group:
        members = {each.id for each in self.get_group_snapshot(source).snapshots}
        if strangers := sorted(volumes.keys() - members):
            raise Invalid(f"snapshots {', '.join(strangers)} are no members of {source}")
        with ExitStack() as undo:
            made = [
                self._restored(snapshot_id, spec, undo) for snapshot_id, spec in volumes.items()
            ]
            group = self.create_group(name, [each.id for each in made])
            undo.pop_all()
            return group

    def _restored(self, snapshot_id: SnapshotId, spec: VolumeSpec, undo: ExitStack) -> Volume:
        if (found := self.find_volume(spec.name)) is not None:
            _refuse_another(found, spec, snapshot_id)
            return found
        volume = self.create_volume_from_snapshot(spec, snapshot_id)
        undo.callback(self.delete_volume, volume.id)
        return volume

    def get_group(self, group_id: GroupId) -> Group:
        return self._groups.get(self._group.read(), group_id)

    def list_groups(self) -> Sequence[Group]:
        return self._groups.all(self._group.read())

    def create_group_snapshot(self, spec: GroupSnapshotSpec) -> GroupSnapshot:
        return self._group_snapshots.create(spec)

    def delete_group_snapshot(self, group_snapshot_id: GroupSnapshotId) -> None:
        self._group_snapshots.delete(group_snapshot_id)

    def get_group_snapshot(self, group_snapshot_id: GroupSnapshotId) -> GroupSnapshot:
        return self._group_snapshots.get(group_snapshot_id)

    def find_group_snapshot(self, name: str) -> GroupSnapshot | None:
        return self._group_snapshots.find(self._group.read(), name)

    def list_group_snapshots(self) -> Sequence[GroupSnapshot]:
        return self._group_snapshots.all(self._group.read())


def _refuse_another(found: Volume, spec: VolumeSpec, snapshot_id: SnapshotId) -> None:
    """The group is said to be of one moment, and only what was restored from that is."""
    if found.source != Source(SourceKind.SNAPSHOT, snapshot_id) or found.size not in spec.size:
        raise Exists(
            f"volume {spec.name!r} exists as {found.id}, and is not what would be restored from"
            f" {snapshot_id}: delete it first, or use another name"
        )
