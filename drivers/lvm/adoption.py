"""Bringing logical volumes in that somebody else made.

All that is recorded is tags, and all of them are added by one ``lvchange``: one commit of LVM's metadata,
so that a process killed at any moment has adopted the volume or has not. The name stays, and is kept in
the tags as well. Between the look and the tags nobody of this process changes the group; whoever opens the
device in that moment is found by staging, which needs it for itself.
"""

from __future__ import annotations

from datetime import UTC, datetime

from drivers.errors import AlreadyManaged, Exists, InUse, Invalid, Unmanageable
from drivers.lvm import layouts, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.manageable import Manageables
from drivers.lvm.obstacles import origin_of
from drivers.lvm.report import Group, Lv
from drivers.lvm.snapshots import Snapshots
from drivers.lvm.volumes import Volumes
from drivers.manageable import (
    OF_CONTENT,
    AdoptionSpec,
    Hindrance,
    Obstacle,
    Reference,
    SnapshotAdoptionSpec,
)
from drivers.model import Snapshot, Volume, VolumeMode

OURS = frozenset({Hindrance.MANAGED, Hindrance.IN_WORK, Hindrance.UNFINISHED})


class Adoption:
    """Makes volumes and snapshots of what is in the group."""

    def __init__(
        self,
        group: VolumeGroup,
        volumes: Volumes,
        snapshots: Snapshots,
        manageables: Manageables,
    ) -> None:
        self._group = group
        self._volumes = volumes
        self._snapshots = snapshots
        self._manageables = manageables

    def volume(self, spec: AdoptionSpec, reference: Reference) -> Volume:
        """See `ManageDriver.manage_existing`."""
        with self._group.changing() as now:
            if (known := self._volumes.finished(now, spec.name)) is not None:
                self._require_same(now, known, spec, reference)
                return records.volume(now, known)
            lv = self._manageables.find(now, reference)
            self._refuse(now, lv, self._manageables.obstacles.of_volume(now, lv))
            self._refuse(now, lv, self._manageables.unwritable(lv))
            fs_type = self._fs_type(now, lv, spec)
            tags = records.adopted_volume_tags(names.object_id(), spec, layouts.of(lv), lv, fs_type)
            self._group.retag(lv, add=tags)
            return records.volume(self._group.read(), self._group.again(lv))

    def snapshot(self, spec: SnapshotAdoptionSpec, reference: Reference) -> Snapshot:
        """See `ManageSnapshotsDriver.manage_existing_snapshot`."""
        with self._group.changing() as now:
            if (known := self._snapshots.finished(now, spec.name)) is not None:
                self._require_same(now, known, spec, reference)
                return self._snapshots.record(now, known)
            lv = self._manageables.find(now, reference)
            self._refuse(now, lv, self._manageables.obstacles.of_snapshot(now, lv))
            origin = origin_of(now, lv) or lv
            created = self._manageables.details(lv).made or datetime.now(UTC)
            volume = records.volume(now, origin)
            tags = records.adopted_snapshot_tags(names.object_id(), spec, volume, lv, created)
            self._group.retag(lv, add=tags)
            return self._snapshots.record(self._group.read(), self._group.again(lv))

    def _require_same(
        self,
        group: Group,
        known: Lv,
        spec: AdoptionSpec | SnapshotAdoptionSpec,
        reference: Reference,
    ) -> None:
        """Raise unless ``known``, which has the name asked for, is what this owner brought in before."""
        adopted = records.adoption(known)
        what = f"{known.fields['kind']} {group.id}.{known.object_id} ({group.name}/{known.name})"
        if adopted is None or adopted.owner != spec.owner:
            owner = f", brought in for {adopted.owner}" if adopted else ", which was made here"
            raise AlreadyManaged(f"the name {spec.name!r} is that of {what}{owner}")
        names_it = reference.name in ("", known.name, adopted.original)
        uuid_is_it = reference.uuid.replace("-", "") in ("", known.uuid.replace("-", ""))
        if not (names_it and uuid_is_it):
            raise Exists(f"the name {spec.name!r} is that of {what}, not of {reference}")

    def _refuse(self, group: Group, lv: Lv, obstacle: Obstacle | None) -> None:
        if obstacle is None:
            return
        message = f"logical volume {group.name}/{lv.name} cannot be brought in: {obstacle.words}"
        if obstacle.hindrance in OURS:
            raise AlreadyManaged(message)
        if obstacle.hindrance is Hindrance.OPEN:
            raise InUse(message)
        raise Unmanageable(message, obstacle)

    def _fs_type(self, group: Group, lv: Lv, spec: AdoptionSpec) -> str:
        """The filesystem that the new volume has; looked at only if a node is to mount it."""
        if spec.properties.mode is VolumeMode.BLOCK:
            return ""
        found, obstacle = self._manageables.look(group, lv)
        if obstacle is not None and obstacle.hindrance in OF_CONTENT:
            self._refuse(group, lv, obstacle)
        if spec.properties.fs_type not in ("", found.type):
            raise Invalid(
                f"logical volume {group.name}/{lv.name} holds {found.type}, not"
                f" {spec.properties.fs_type}: ask for {found.type}, in a class that says so"
            )
        return found.type
