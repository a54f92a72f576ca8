"""The right driver with the ability to take plain files over, and to let go of them.

A volume is any ``*.raw`` in the directory whose attribute says so; one without is nobody's. What a
snapshot is one of stays with its file, as a storage that knows snapshots would remember it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from broken.right import DECODER as SNAPSHOTS
from broken.right import RightDriver
from hearth_toy import DECODER, KEY

from drivers import errors, interface
from drivers.manageable import (
    AdoptionSpec,
    Found,
    Hindrance,
    Manageable,
    Obstacle,
    Page,
    Query,
    Reference,
    SnapshotAdoptionSpec,
)
from drivers.model import (
    Adoption,
    Content,
    Snapshot,
    SnapshotId,
    SnapshotSpec,
    Volume,
    VolumeId,
    VolumeMode,
)
from drivers.paging import page

ORIGIN = "user.origin"
NOTHING = Obstacle(Hindrance.UNKNOWN_FILESYSTEM, "it holds nothing known: ask for a block volume")
ORPHAN = Obstacle(Hindrance.ORIGIN, "its origin is no volume of ours: bring that in first")
OURS = Obstacle(Hindrance.MANAGED, "it is ours already")


class ManagingDriver(RightDriver, interface.ManageDriver, interface.ManageSnapshotsDriver):
    """Plain files, ours and others'."""

    @property
    def storage_name(self) -> str:
        return str(self.options.directory)

    def manage_existing(self, spec: AdoptionSpec, reference: Reference) -> Volume:
        if found := self.find_volume(spec.name):
            self._require_same(found.adopted, spec.owner, self._file(found.id), reference)
            return found
        file = self._meant(reference, "raw")
        self._refuse(file, spec)
        volume = Volume(
            id=self._id_of(spec.name),
            size=file.stat().st_size,
            requested=file.stat().st_size,
            content=Content.ADOPTED,
            properties=spec.properties,
            adopted=Adoption(file.stem, spec.owner, spec.allow_delete),
        )
        self._record(file, volume)
        return volume

    def manage_existing_get_size(self, reference: Reference) -> int:
        return self._meant(reference, "raw").stat().st_size

    def unmanage(
        self, volume_id: VolumeId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        if volume_id not in self._volumes():
            return None
        file = self._file(volume_id)
        held = [each.id for each in self.list_snapshots() if each.volume_id == volume_id]
        if held:
            raise errors.InUse(f"volume {volume_id} has snapshots: {', '.join(held)}")
        return self._let_go(file, name, rehearse=rehearse)

    def get_manageable_volumes(self, query: Query) -> Page:
        return page((self._entry(file, query) for file in self._files("raw")), query)

    def manage_existing_snapshot(
        self, spec: SnapshotAdoptionSpec, reference: Reference
    ) -> Snapshot:
        if found := self.find_snapshot(spec.name):
            self._require_same(found.adopted, spec.owner, self._cut(found.id), reference)
            return found
        file = self._meant(reference, "cut")
        origin = self._origin(file)
        if self._kept(file):
            raise errors.AlreadyManaged(f"{file} is ours already")
        if origin is None:
            raise errors.Unmanageable(f"{file}: {ORPHAN.words}", ORPHAN)
        snapshot = Snapshot(
            id=SnapshotId(self._id_of(spec.name)),
            volume_id=origin.id,
            size=file.stat().st_size,
            created=datetime.fromtimestamp(file.stat().st_mtime, UTC),
            content=Content.ADOPTED,
            properties=origin.properties,
            labels=spec.labels,
            adopted=Adoption(file.stem, spec.owner, spec.allow_delete),
        )
        self._record(file, snapshot)
        return snapshot

    def manage_existing_snapshot_get_size(self, reference: Reference) -> int:
        return self._meant(reference, "cut").stat().st_size

    def unmanage_snapshot(
        self, snapshot_id: SnapshotId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        if snapshot_id not in self._snapshots():
            return None
        return self._let_go(self._cut(snapshot_id), name, rehearse=rehearse)

    def get_manageable_snapshots(self, query: Query) -> Page:
        return page((self._cut_entry(file) for file in self._files("cut")), query)

    def create_snapshot(self, spec: SnapshotSpec) -> Snapshot:
        snapshot = super().create_snapshot(spec)
        inode = str(self._file(snapshot.volume_id).stat().st_ino)
        os.setxattr(self._cut(snapshot.id), ORIGIN, inode.encode())
        return snapshot

    def delete_volume(self, volume_id: VolumeId) -> None:
        if (volume := self._volumes().get(volume_id)) and _is_kept(volume):
            raise errors.Precondition(f"volume {volume_id} was adopted: release it")
        super().delete_volume(volume_id)

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        if (snapshot := self._snapshots().get(snapshot_id)) and _is_kept(snapshot):
            raise errors.Precondition(f"snapshot {snapshot_id} was adopted: release it")
        super().delete_snapshot(snapshot_id)

    def _record(self, file: Path, record: Volume | Snapshot) -> None:
        os.setxattr(file, KEY, msgspec.json.encode(record))

    def _require_same(
        self, adopted: Adoption | None, owner: str, file: Path, reference: Reference
    ) -> None:
        if adopted is None or adopted.owner != owner:
            raise errors.AlreadyManaged(f"{file} is somebody else's")
        if reference.name not in ("", file.stem):
            raise errors.Exists(f"the name is that of {file}")

    def _refuse(self, file: Path, spec: AdoptionSpec) -> None:
        if self._kept(file):
            raise errors.AlreadyManaged(f"{file} is ours already")
        if spec.properties.mode is VolumeMode.FILESYSTEM:
            raise errors.Unmanageable(f"{file}: {NOTHING.words}", NOTHING)

    def _let_go(self, file: Path, name: str | None, *, rehearse: bool) -> Reference:
        wanted = file.with_stem(name or file.stem)
        if wanted != file and wanted.exists():
            raise errors.Exists(f"there is a {wanted}")
        if rehearse:
            return replace(_reference(file), name=wanted.stem)
        file.with_suffix(".connected").unlink(missing_ok=True)
        file.rename(wanted)
        os.removexattr(wanted, KEY)
        return _reference(wanted)

    def _entry(self, file: Path, query: Query) -> Manageable:
        entry = Manageable(_reference(file), file.stat().st_size)
        if (kept := self._kept(file)) and (record := DECODER.decode(kept)):
            owner = record.adopted.owner if record.adopted else ""
            return replace(entry, obstacle=OURS, manager="hearth", id=record.id, owner=owner)
        if query.probe:
            return replace(entry, obstacle=NOTHING, found=Found("", VolumeMode.BLOCK))
        return entry

    def _cut_entry(self, file: Path) -> Manageable:
        origin = self._origin(file)
        entry = Manageable(_reference(file), file.stat().st_size, origin=Reference("origin"))
        if kept := self._kept(file):
            record = SNAPSHOTS.decode(kept)
            return replace(entry, obstacle=OURS, manager="hearth", id=record.id)
        return entry if origin else replace(entry, obstacle=ORPHAN)

    def _origin(self, file: Path) -> Volume | None:
        inode = int(os.getxattr(file, ORIGIN))
        volumes = self._volumes().values()
        return next((v for v in volumes if self._file(v.id).stat().st_ino == inode), None)

    def _meant(self, reference: Reference, suffix: str) -> Path:
        if not (reference.name or reference.uuid):
            raise errors.Invalid("a reference needs a name or a UUID")
        for file in self._files(suffix):
            found = _reference(file)
            if reference.name in ("", found.name) and reference.uuid in ("", found.uuid):
                return file
        raise errors.NotFound(f"there is no {reference}")

    def _files(self, suffix: str) -> Iterator[Path]:
        return self.options.directory.glob(f"*.{suffix}")

    def _kept(self, file: Path) -> bytes:
        with suppress(OSError):
            return os.getxattr(file, KEY)
        return b""

    def _volumes(self) -> dict[VolumeId, Volume]:
        found = {}
        for file in self._files("raw"):
            with suppress(FileNotFoundError):
                if kept := self._kept(file):
                    volume = DECODER.decode(kept)
                    found[volume.id] = replace(volume, size=file.stat().st_size)
        return found

    def _snapshots(self) -> dict[SnapshotId, Snapshot]:
        kept = (self._kept(file) for file in self._files("cut"))
        decoded = (SNAPSHOTS.decode(each) for each in kept if each)
        return {each.id: each for each in decoded}

    def _file(self, volume_id: VolumeId) -> Path:
        return self._of(volume_id, "raw") or super()._file(volume_id)

    def _cut(self, snapshot_id: SnapshotId) -> Path:
        return self._of(snapshot_id, "cut") or super()._cut(snapshot_id)

    def _of(self, identifier: str, suffix: str) -> Path | None:
        needle = f'"id":"{identifier}"'.encode()
        return next((file for file in self._files(suffix) if needle in self._kept(file)), None)


def _reference(file: Path) -> Reference:
    return Reference(file.stem, str(file.stat().st_ino))


def _is_kept(found: Volume | Snapshot) -> bool:
    return found.adopted is not None and not found.adopted.allow_delete
