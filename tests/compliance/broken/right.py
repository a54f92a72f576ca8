"""A driver with every ability that does nothing wrong: the toy with snapshots, clones and reverts.

Its parts are methods of their own, so that a broken driver can spoil exactly one of them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from hearth_toy import KEY, ToyDriver

from drivers import errors, interface
from drivers.model import (
    MIB,
    Connection,
    Content,
    Snapshot,
    SnapshotId,
    SnapshotSpec,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeSpec,
)

DECODER = msgspec.json.Decoder(Snapshot)
OLD = b"left by somebody"


class RightDriver(
    ToyDriver, interface.SnapshotDriver, interface.CloneDriver, interface.RevertDriver
):
    """Plain files, copied for snapshots and clones."""

    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        connection = super().initialize_connection(volume_id)
        self._flag(volume_id).touch()
        return connection

    def terminate_connection(self, volume_id: VolumeId) -> None:
        if volume_id in self._volumes():
            self._flag(volume_id).unlink(missing_ok=True)

    def delete_volume(self, volume_id: VolumeId) -> None:
        self.terminate_connection(volume_id)
        super().delete_volume(volume_id)

    def create_snapshot(self, spec: SnapshotSpec) -> Snapshot:
        if found := self.find_snapshot(spec.name):
            return found
        volume = self._closed(spec.volume_id)
        snapshot = Snapshot(
            id=SnapshotId(self._id_of(spec.name)),
            volume_id=volume.id,
            size=volume.size,
            created=datetime.now(UTC),
            content=volume.content,
            properties=volume.properties,
            labels=spec.labels,
        )
        self._copy(self._file(volume.id), self._cut(snapshot.id), snapshot, volume.size)
        return snapshot

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        if snapshot_id in self._snapshots():
            self._cut(snapshot_id).unlink()

    def get_snapshot(self, snapshot_id: SnapshotId) -> Snapshot:
        if snapshot := self._snapshots().get(snapshot_id):
            return snapshot
        raise errors.NotFound(f"backend {self.name} has no snapshot {snapshot_id}")

    def find_snapshot(self, name: str) -> Snapshot | None:
        return self._snapshots().get(SnapshotId(self._id_of(name)))

    def list_snapshots(self) -> Sequence[Snapshot]:
        return sorted(self._snapshots().values(), key=lambda each: each.id)

    def create_volume_from_snapshot(self, spec: VolumeSpec, snapshot_id: SnapshotId) -> Volume:
        if found := self.find_volume(spec.name):
            return found
        snapshot = self.get_snapshot(snapshot_id)
        source = Source(SourceKind.SNAPSHOT, snapshot_id)
        return self._derive(spec, source, self._cut(snapshot_id), snapshot)

    def create_cloned_volume(self, spec: VolumeSpec, volume_id: VolumeId) -> Volume:
        if found := self.find_volume(spec.name):
            return found
        volume = self._closed(volume_id)
        source = Source(SourceKind.VOLUME, volume_id)
        return self._derive(spec, source, self._file(volume_id), volume)

    def revert_to_snapshot(self, volume_id: VolumeId, snapshot_id: SnapshotId) -> Volume:
        volume, snapshot = self.get_volume(volume_id), self.get_snapshot(snapshot_id)
        if snapshot.volume_id != volume_id:
            raise errors.Invalid(f"snapshot {snapshot_id} is not one of volume {volume_id}")
        if self._flag(volume_id).exists():
            raise errors.InUse(f"volume {volume_id} is connected: disconnect it first")
        reverted = replace(volume, content=self._shown(volume, snapshot))
        self._copy(self._cut(snapshot_id), self._file(volume_id), reverted, volume.size)
        return reverted

    def _shown(self, volume: Volume, snapshot: Snapshot) -> Content:
        """What a volume holds when it is what a snapshot shows: somebody else's snapshot leaves it ours."""
        if snapshot.content is not Content.ADOPTED or volume.adopted:
            return snapshot.content
        return volume.content if volume.content is Content.INHERITED else Content.FORMATTED

    def _closed(self, volume_id: VolumeId) -> Volume:
        volume = self.get_volume(volume_id)
        if self._flag(volume_id).exists():
            raise errors.Precondition(f"volume {volume_id} is connected, and a copy would be torn")
        return volume

    def _derive(
        self, spec: VolumeSpec, source: Source, bytes_of: Path, origin: Volume | Snapshot
    ) -> Volume:
        size = self._fitting(spec.size.required)
        if size < origin.size or size not in spec.size:
            raise errors.OutOfRange(f"{size} bytes do not fit: {source.id} has {origin.size}")
        blank = origin.content is Content.BLANK
        volume = Volume(
            id=self._id_of(spec.name),
            size=size,
            requested=spec.size.required,
            content=Content.BLANK if blank else Content.INHERITED,
            properties=spec.properties,
            source=source,
        )
        self._copy(bytes_of, self._file(volume.id), volume, size)
        return volume

    def _fill(self, source: Path, fresh: Path) -> None:
        shutil.copyfile(source, fresh)

    def _copy(self, source: Path, target: Path, record: Volume | Snapshot, size: int) -> None:
        fresh = target.with_name(f"{target.name}.new")
        self._fill(source, fresh)
        with fresh.open("r+b") as file:
            file.truncate(size)
            os.setxattr(file.fileno(), KEY, msgspec.json.encode(record))
            os.fsync(file.fileno())
        fresh.rename(target)

    def _snapshots(self) -> dict[SnapshotId, Snapshot]:
        snapshots = {}
        for file in self.options.directory.glob("*.cut"):
            with suppress(FileNotFoundError):
                snapshot = DECODER.decode(os.getxattr(file, KEY))
                snapshots[snapshot.id] = snapshot
        return snapshots

    def _cut(self, snapshot_id: SnapshotId) -> Path:
        return self.options.directory / f"{snapshot_id.partition('.')[2]}.cut"

    def _flag(self, volume_id: VolumeId) -> Path:
        return self._file(volume_id).with_suffix(".connected")


class OldBlocksDriver(RightDriver):
    """On storage that was not empty: between a new volume's ends lies what somebody else left."""

    zeroed = False

    def create_volume(self, spec: VolumeSpec) -> Volume:
        if found := self.find_volume(spec.name):
            return found
        size = self._fitting(spec.size.required)
        if size not in spec.size:
            raise errors.OutOfRange(f"{size} bytes are above the limit of {spec.size.limit}")
        volume_id, asked = self._id_of(spec.name), spec.size.required
        content = Content.BLANK
        volume = Volume(volume_id, size, asked, content, spec.properties, zeroed=self.zeroed)
        fresh = self._file(volume_id).with_suffix(".new")
        with fresh.open("wb") as file:
            file.truncate(size)
            os.pwrite(file.fileno(), OLD * ((size - 2 * MIB) // len(OLD)), MIB)
            os.setxattr(file.fileno(), KEY, msgspec.json.encode(volume))
        fresh.rename(self._file(volume_id))
        return volume
