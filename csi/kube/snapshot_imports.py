"""SnapshotImport: a snapshot that exists in the storage becomes a VolumeSnapshot.

The same steps as a VolumeImport, with a pre-provisioned VolumeSnapshotContent instead of a volume.
"""

from __future__ import annotations

from dataclasses import dataclass

from csi.kube import objects
from csi.kube.client import Object
from csi.kube.imports import reference
from csi.kube.kinds import CLAIM, CONTENT, SNAPSHOT, SNAPSHOT_CLASS, SNAPSHOT_IMPORT, VOLUME
from csi.kube.record import Record, renamed
from csi.kube.refusals import SOON, Refused
from csi.kube.storage import Storage
from csi.kube.world import World
from csi.spec import manage_pb2 as pb
from drivers.backends import backend_id_of


@dataclass(frozen=True, slots=True)
class Origin:
    """The volume that it is a snapshot of."""

    handle: str
    mode: str
    storage: Storage


class SnapshotImports:
    """Carries out SnapshotImports."""

    kind = SNAPSHOT_IMPORT

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = world.api

    def carry_out(self, record: Record) -> None:
        """Everything that is left to do. Raises `Refused` where it does not go on."""
        if record.has("Bound"):
            return
        owner, dry = record.owner, record.owner["spec"]["dryRun"]
        with record.step("Checked", "Checked" if dry else ""):
            origin = self._checked(record)
        if dry:
            return
        with record.step("Adopted", "Adopted"):
            handle = self._adopt(record, origin)
        with record.step("Bound", "Bound"):
            self._bind(owner, handle, origin.mode)

    def undo(self, record: Record) -> None:
        """Leave the snapshot as it was found, unless a VolumeSnapshot has it. Raises `Refused`."""
        if not record.has("Checked") or record.has("Bound") or record.owner["spec"]["dryRun"]:
            return
        with renamed():
            if not self._unbound(record.owner):
                return
            name = objects.name_for(record.owner["metadata"]["uid"])
            if (content := self._api.get(CONTENT, name)) is not None:
                self._world.forsake(CONTENT, content)
            if self._api.get(CONTENT, name) is not None:
                raise Refused("Waiting", f"content {name} is still being removed", SOON)
            self._let_go(record)

    def _checked(self, record: Record) -> Origin:
        owner, spec = record.owner, record.owner["spec"]
        self._world.own_class(SNAPSHOT_CLASS, spec["snapshotClassName"], "driver")
        self._check_snapshot(owner)
        origin = self._origin(owner)
        record.note(node=origin.storage.node)
        request = self._request(owner, origin)
        request.dry_run = True
        origin.storage.service.manage_snapshot(request)
        self._world.create_dry(SNAPSHOT, objects.snapshot(owner))
        return origin

    def _check_snapshot(self, owner: Object) -> None:
        wanted = owner["spec"]["snapshot"]
        found = self._api.get(SNAPSHOT, wanted["name"], wanted["namespace"])
        if found is not None and not _is_mine(found, owner):
            raise Refused(
                "SnapshotExists",
                f"snapshot {wanted['namespace']}/{wanted['name']} is there already: an import makes it"
                " itself, so delete it or name another",
            )

    def _origin(self, owner: Object) -> Origin:
        wanted = owner["spec"]["claim"]
        claim = self._api.get(CLAIM, wanted["name"], wanted["namespace"])
        name = claim["spec"].get("volumeName", "") if claim else ""
        volume = self._api.get(VOLUME, name) if name else None
        handle = objects.handle_of(volume, self._world.driver) if volume else ""
        if volume is None or not handle:
            raise Refused(
                "InvalidReference",
                f"claim {wanted['namespace']}/{wanted['name']} has no volume of"
                f" {self._world.driver}: import the origin of the snapshot first",
            )
        mode = volume["spec"].get("volumeMode", "Filesystem")
        return Origin(handle, mode, self._world.storage_of(handle))

    def _request(self, owner: Object, origin: Origin) -> pb.ManageSnapshotRequest:
        uid, wanted = owner["metadata"]["uid"], owner["spec"]["snapshot"]
        labels = {
            "volumesnapshot/name": wanted["name"],
            "volumesnapshot/namespace": wanted["namespace"],
            "volumesnapshotcontent/name": objects.name_for(uid),
        }
        return pb.ManageSnapshotRequest(
            name=objects.name_for(uid),
            backend=origin.storage.backend_with(backend_id_of(origin.handle)).name,
            reference=reference(owner["spec"]["source"]),
            volume_id=origin.handle,
            labels=labels,
            owner=uid,
        )

    def _adopt(self, record: Record, origin: Origin) -> str:
        snapshot = origin.storage.service.manage_snapshot(self._request(record.owner, origin))
        record.note(
            snapshotHandle=snapshot.id,
            capacity=str(snapshot.size),
            snapshotContent=objects.name_for(record.owner["metadata"]["uid"]),
        )
        return snapshot.id

    def _bind(self, owner: Object, handle: str, mode: str) -> None:
        world = self._world
        world.create(CONTENT, objects.content(owner, handle, world.driver, mode))
        found = world.create(SNAPSHOT, objects.snapshot(owner))
        if not _is_mine(found, owner):
            self._check_snapshot(owner)
        if not objects.is_ready(found):
            wanted = owner["spec"]["snapshot"]
            raise Refused(
                "Waiting", f"snapshot {wanted['namespace']}/{wanted['name']} is not ready yet", SOON
            )

    def _unbound(self, owner: Object) -> bool:
        """Remove the VolumeSnapshot; false if it is ready, and then somebody may rely on it."""
        wanted = owner["spec"]["snapshot"]
        found = self._api.get(SNAPSHOT, wanted["name"], wanted["namespace"])
        if found is None or not _is_mine(found, owner):
            return True
        if objects.is_ready(found):
            return False
        # The content goes with its snapshot, and what is behind it must not.
        content = self._api.get(CONTENT, objects.name_for(owner["metadata"]["uid"]))
        if content is not None:
            self._world.retain(CONTENT, content)
        self._api.delete(SNAPSHOT, found, unchanged=True)
        return True

    def _let_go(self, record: Record) -> None:
        service = self._world.storage(record["node"]).service
        for snapshot in service.snapshots():
            if snapshot.owner == record.owner["metadata"]["uid"]:
                service.unmanage_snapshot(pb.UnmanageSnapshotRequest(snapshot_id=snapshot.id))


def _is_mine(found: Object, owner: Object) -> bool:
    source = found["spec"]["source"].get("volumeSnapshotContentName")
    return bool(source == objects.name_for(owner["metadata"]["uid"]))
