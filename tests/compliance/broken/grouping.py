"""The right driver with groups: of volumes that nobody writes to, for a plain file cannot hold a writer.

A group snapshot is there when its record is, which is written last and removed first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from broken.right import RightDriver

from drivers import errors, interface
from drivers.groups import Group, GroupId, GroupSnapshot, GroupSnapshotSpec
from drivers.model import (
    GroupSnapshotId,
    Snapshot,
    SnapshotId,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeSpec,
)

GROUPS = msgspec.json.Decoder(Group)


class GroupingDriver(RightDriver, interface.GroupDriver):
    """Plain files that belong together."""

    def create_group(self, name: str, volume_ids: Sequence[VolumeId]) -> Group:
        if found := next((each for each in self.list_groups() if each.name == name), None):
            return found
        for each in volume_ids:
            self.get_volume(each)
        group = Group(GroupId(self._id_of(f"group {name}")), name, tuple(volume_ids))
        self._keep(self._record(group.id, "group"), group)
        return group

    def delete_group(self, group_id: GroupId) -> None:
        if group_id in {each.id for each in self.list_groups()}:
            self._record(group_id, "group").unlink()

    def update_group(
        self, group_id: GroupId, add: Sequence[VolumeId], remove: Sequence[VolumeId]
    ) -> Group:
        group = self.get_group(group_id)
        for each in add:
            self.get_volume(each)
        kept = sorted((set(group.volume_ids) | set(add)) - set(remove))
        self._keep(self._record(group.id, "group"), replace(group, volume_ids=tuple(kept)))
        return self.get_group(group_id)

    def create_group_from_src(
        self, name: str, source: GroupSnapshotId, volumes: Mapping[SnapshotId, VolumeSpec]
    ) -> Group:
        self.get_group_snapshot(source)
        for each, spec in volumes.items():
            self._refuse_another(self.find_volume(spec.name), each)
        made = [self.create_volume_from_snapshot(spec, each) for each, spec in volumes.items()]
        return self.create_group(name, [each.id for each in made])

    def get_group(self, group_id: GroupId) -> Group:
        if found := next((each for each in self.list_groups() if each.id == group_id), None):
            return found
        raise errors.NotFound(f"there is no group {group_id}")

    def list_groups(self) -> Sequence[Group]:
        kept = sorted(self.options.directory.glob("*.group"))
        groups = (GROUPS.decode(each.read_bytes()) for each in kept)
        there = self._volumes()
        return [
            replace(each, volume_ids=tuple(one for one in each.volume_ids if one in there))
            for each in groups
        ]

    def create_group_snapshot(self, spec: GroupSnapshotSpec) -> GroupSnapshot:
        if found := self.find_group_snapshot(spec.name):
            return found
        if not spec.volume_ids or len(set(spec.volume_ids)) < len(spec.volume_ids):
            raise errors.Invalid("no volume, or one of them twice")
        cut_id, now = self._moment_id(spec.name), datetime.now(UTC)
        for volume in self._still(spec.volume_ids):
            member = self._member(cut_id, spec, volume, now)
            self._copy(self._file(volume.id), self._cut(member.id), member, volume.size)
        self._keep(self._record(cut_id, "moment"), len(spec.volume_ids))
        return self.get_group_snapshot(cut_id)

    def delete_group_snapshot(self, group_snapshot_id: GroupSnapshotId) -> None:
        with suppress(errors.NotFound):
            members = self.get_group_snapshot(group_snapshot_id).snapshots
            self._record(group_snapshot_id, "moment").unlink()
            for each in members:
                self._cut(each.id).unlink()

    def get_group_snapshot(self, group_snapshot_id: GroupSnapshotId) -> GroupSnapshot:
        found = [each for each in self.list_group_snapshots() if each.id == group_snapshot_id]
        if not found:
            raise errors.NotFound(f"there is no group snapshot {group_snapshot_id}")
        return found[0]

    def find_group_snapshot(self, name: str) -> GroupSnapshot | None:
        with suppress(errors.NotFound):
            return self.get_group_snapshot(self._moment_id(name))
        return None

    def list_group_snapshots(self) -> Sequence[GroupSnapshot]:
        members = self.list_snapshots()
        ids = sorted({each.group_snapshot_id for each in members if each.group_snapshot_id})
        found = [tuple(one for one in members if one.group_snapshot_id == each) for each in ids]
        return [
            GroupSnapshot(cut_id, each, each[0].created)
            for cut_id, each in zip(ids, found, strict=True)
        ]

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        snapshot = self._snapshots().get(snapshot_id)
        if snapshot is not None and snapshot.group_snapshot_id:
            raise errors.Invalid(f"{snapshot_id} goes with {snapshot.group_snapshot_id} alone")
        super().delete_snapshot(snapshot_id)

    def _snapshots(self) -> dict[SnapshotId, Snapshot]:
        return {
            key: each
            for key, each in super()._snapshots().items()
            if not each.group_snapshot_id or self._record(each.group_snapshot_id, "moment").exists()
        }

    def _refuse_another(self, found: Volume | None, snapshot_id: SnapshotId) -> None:
        if found and found.source != Source(SourceKind.SNAPSHOT, snapshot_id):
            raise errors.Exists(f"{found.id} was not made from {snapshot_id}")

    def _still(self, volume_ids: Sequence[VolumeId]) -> list[Volume]:
        return [self._closed(each) for each in volume_ids]

    def _member(
        self, cut_id: GroupSnapshotId, spec: GroupSnapshotSpec, volume: Volume, now: datetime
    ) -> Snapshot:
        return Snapshot(
            id=SnapshotId(self._id_of(f"{cut_id} {volume.id}")),
            volume_id=volume.id,
            size=volume.size,
            created=now,
            content=volume.content,
            properties=volume.properties,
            labels=spec.labels,
            group_snapshot_id=cut_id,
        )

    def _moment_id(self, name: str) -> GroupSnapshotId:
        return GroupSnapshotId(self._id_of(f"moment {name}"))

    def _record(self, identifier: str, kind: str) -> Path:
        return self.options.directory / f"{identifier.partition('.')[2]}.{kind}"

    def _keep(self, file: Path, record: object) -> None:
        fresh = file.with_name(f"{file.name}.new")
        fresh.write_bytes(msgspec.json.encode(record))
        fresh.rename(file)
