"""The driver in memory with groups: nobody writes while it copies, so one moment is easily had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import msgspec

from drivers.errors import Exists, Invalid, NotFound, Precondition
from drivers.exec import Run
from drivers.groups import Group, GroupId, GroupSnapshot, GroupSnapshotSpec
from drivers.interface import GroupDriver
from drivers.model import (
    GroupSnapshotId,
    Snapshot,
    SnapshotId,
    SnapshotSpec,
    Source,
    SourceKind,
    VolumeId,
    VolumeSpec,
)
from tests.fakes.memory import MemoryDriver


class GroupingMemory(MemoryDriver, GroupDriver):
    """Volumes in memory, with every ability there is, and groups. Striped ones cannot be cut together."""

    def __init__(self, name: str, options: msgspec.Struct, run: Run) -> None:
        super().__init__(name, options, run)
        self._groups: dict[GroupId, Group] = {}
        self._moments: dict[str, GroupSnapshot] = {}

    def create_group(self, name: str, volume_ids: Sequence[VolumeId]) -> Group:
        self._together(volume_ids)
        if found := next((each for each in self.list_groups() if each.name == name), None):
            return found
        group = Group(GroupId(self._id("group")), name, tuple(sorted(volume_ids)))
        self._groups[group.id] = group
        return group

    def delete_group(self, group_id: GroupId) -> None:
        self._groups.pop(group_id, None)

    def update_group(
        self, group_id: GroupId, add: Sequence[VolumeId], remove: Sequence[VolumeId]
    ) -> Group:
        self._together(add)
        group = self.get_group(group_id)
        kept = sorted((set(group.volume_ids) | set(add)) - set(remove))
        self._groups[group_id] = replace(group, volume_ids=tuple(kept))
        return self._groups[group_id]

    def create_group_from_src(
        self, name: str, source: GroupSnapshotId, volumes: Mapping[SnapshotId, VolumeSpec]
    ) -> Group:
        self.get_group_snapshot(source)
        for each, spec in volumes.items():
            found = self.find_volume(spec.name)
            if found and found.source != Source(SourceKind.SNAPSHOT, each):
                raise Exists(f"{found.id} was not made from {each}")
        made = [self.create_volume_from_snapshot(spec, each) for each, spec in volumes.items()]
        return self.create_group(name, [each.id for each in made])

    def get_group(self, group_id: GroupId) -> Group:
        if group_id not in self._groups:
            raise NotFound(f"there is no group {group_id}")
        return self._groups[group_id]

    def list_groups(self) -> Sequence[Group]:
        return [self._groups[each] for each in sorted(self._groups)]

    def create_group_snapshot(self, spec: GroupSnapshotSpec) -> GroupSnapshot:
        with self._change():
            if found := self._moments.get(spec.name):
                return found
            if len(set(spec.volume_ids)) < len(spec.volume_ids):
                raise Invalid("a volume is named twice")
            self._together(spec.volume_ids)
            cut_id, now = GroupSnapshotId(self._id("moment")), datetime.now(UTC)
            members = [self._member(cut_id, spec, each, now) for each in spec.volume_ids]
            made = GroupSnapshot(cut_id, tuple(sorted(members, key=lambda each: each.id)), now)
            self._moments[spec.name] = made
            return replace(made, pause=0.005)

    def _member(
        self, cut_id: GroupSnapshotId, spec: GroupSnapshotSpec, volume_id: VolumeId, now: datetime
    ) -> Snapshot:
        name = f"{spec.name} of {volume_id}"
        made = super().create_snapshot(SnapshotSpec(name, volume_id, spec.labels))
        return self._snapshots.keep(replace(made, group_snapshot_id=cut_id, created=now))

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        for each in self.list_snapshots():
            if each.id == snapshot_id and each.group_snapshot_id:
                raise Invalid(f"{snapshot_id} is a member of {each.group_snapshot_id}")
        super().delete_snapshot(snapshot_id)

    def delete_group_snapshot(self, group_snapshot_id: GroupSnapshotId) -> None:
        for name, made in list(self._moments.items()):
            if made.id == group_snapshot_id:
                del self._moments[name]
                for each in made.snapshots:
                    super().delete_snapshot(each.id)

    def get_group_snapshot(self, group_snapshot_id: GroupSnapshotId) -> GroupSnapshot:
        for made in self.list_group_snapshots():
            if made.id == group_snapshot_id:
                return made
        raise NotFound(f"there is no group snapshot {group_snapshot_id}")

    def find_group_snapshot(self, name: str) -> GroupSnapshot | None:
        return self._moments.get(name)

    def list_group_snapshots(self) -> Sequence[GroupSnapshot]:
        return sorted(self._moments.values(), key=lambda each: each.id)

    def _together(self, volume_ids: Sequence[VolumeId]) -> None:
        volumes = [self.get_volume(each) for each in volume_ids]
        if striped := [each.id for each in volumes if each.options["layout"] == "striped"]:
            raise Precondition(f"{', '.join(striped)}: striped volumes cannot be cut together")
