"""SnapshotRelease: the snapshot behind a VolumeSnapshot becomes a plain one of the storage again.

The same order as in a VolumeRelease: what finishing needs is written before anything is removed.
"""

from __future__ import annotations

from csi.kube import objects
from csi.kube.client import Object
from csi.kube.kinds import CONTENT, SNAPSHOT, SNAPSHOT_RELEASE
from csi.kube.record import Record, renamed
from csi.kube.refusals import SOON, Refused
from csi.kube.world import World
from csi.spec import manage_pb2 as pb


class SnapshotReleases:
    """Carries out SnapshotReleases."""

    kind = SNAPSHOT_RELEASE

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = world.api

    def carry_out(self, record: Record) -> None:
        """Everything that is left to do. Raises `Refused` where it does not go on."""
        if record.has("Released"):
            return
        dry = record.owner["spec"]["dryRun"]
        if not self._is_begun(record):
            with record.step("Checked", "Checked" if dry else ""):
                self._check(record)
        if dry:
            return
        with record.step("Removed", "Removing"):
            self._remove(record)
        with record.step("Released", "Released"):
            self._let_go(record)

    def undo(self, record: Record) -> None:
        """Take back what can be: once the snapshot is going, finish instead. Raises `Refused`."""
        if not record.has("Checked") or record.has("Released") or record.owner["spec"]["dryRun"]:
            return
        with renamed():
            if self._is_begun(record):
                self.carry_out(record)
                return
            change = {"spec": {"deletionPolicy": record["deletionPolicy"]}}
            if self._api.get(CONTENT, record["snapshotContent"]) is not None:
                self._api.patch(CONTENT, record["snapshotContent"], change)

    def _is_begun(self, record: Record) -> bool:
        """Whether the VolumeSnapshot that was checked is gone, or going."""
        if not record.has("Checked"):
            return False
        with renamed():
            found = self._snapshot(record.owner)
        return (
            found is None
            or objects.content_of(found) != record["snapshotContent"]
            or "deletionTimestamp" in found["metadata"]
        )

    def _snapshot(self, owner: Object) -> Object | None:
        wanted = owner["spec"]["snapshot"]
        return self._api.get(SNAPSHOT, wanted["name"], wanted["namespace"])

    def _check(self, record: Record) -> None:
        content = self._content(record.owner)
        handle = objects.snapshot_handle_of(content)
        storage = self._world.storage_of(handle)
        given = record.owner["spec"].get("logicalVolumeName", "")
        original = next((each.reference for each in storage.snapshots(snapshot_id=handle)), "")
        name = given or original
        request = pb.UnmanageSnapshotRequest(snapshot_id=handle, name=name, dry_run=True)
        answer = storage.unmanage_snapshot(request)
        record.note(
            node=storage.node,
            snapshotHandle=handle,
            snapshotContent=content["metadata"]["name"],
            deletionPolicy=record["deletionPolicy"] or content["spec"]["deletionPolicy"],
            volumeGroup=answer.storage,
            logicalVolume=answer.reference.name or name,
            uuid=answer.reference.uuid,
        )

    def _content(self, owner: Object) -> Object:
        """The content of the VolumeSnapshot, if it is one of this driver."""
        wanted = owner["spec"]["snapshot"]
        named = f"snapshot {wanted['namespace']}/{wanted['name']}"
        found = self._snapshot(owner)
        if found is None:
            raise Refused("InvalidReference", f"there is no {named}")
        name = objects.content_of(found)
        content = self._api.get(CONTENT, name) if name else None
        if content is None or not objects.snapshot_handle_of(content):
            raise Refused("NotBound", f"{named} has no content yet")
        if content["spec"]["driver"] != self._world.driver:
            raise Refused("ClassMismatch", f"{named} is none of {self._world.driver}")
        return content

    def _remove(self, record: Record) -> None:
        name = record["snapshotContent"]
        self._world.retain_content(name)
        found = self._snapshot(record.owner)
        if found is not None and objects.content_of(found) == name:
            if "deletionTimestamp" not in found["metadata"]:
                self._api.delete(SNAPSHOT, found)
            raise Refused("Waiting", "the VolumeSnapshot is still being removed", SOON)
        self._world.forsake_content(name)
        if self._api.get(CONTENT, name) is not None:
            raise Refused("Waiting", f"content {name} is still being removed", SOON)

    def _let_go(self, record: Record) -> None:
        storage = self._world.storage_of(record["snapshotHandle"])
        request = pb.UnmanageSnapshotRequest(
            snapshot_id=record["snapshotHandle"], name=record["logicalVolume"]
        )
        answer = storage.unmanage_snapshot(request)
        # Empty if an earlier try has done it, which then was not told: it is where the check said.
        if answer.reference.name:
            record.note(logicalVolume=answer.reference.name, volumeGroup=answer.storage)
        if answer.reference.uuid:
            record.note(uuid=answer.reference.uuid)
