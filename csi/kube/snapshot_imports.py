"""SnapshotImport: a snapshot that exists in the storage becomes a VolumeSnapshot.

The same steps as a VolumeImport, with a pre-provisioned VolumeSnapshotContent instead of a volume.
"""

from __future__ import annotations

from dataclasses import dataclass

from csi.kube import objects
from csi.kube.bringing_in import BringingIn, Pair
from csi.kube.client import Object
from csi.kube.imports import reference
from csi.kube.kinds import CLAIM, CONTENT, SNAPSHOT, SNAPSHOT_CLASS, SNAPSHOT_IMPORT, VOLUME
from csi.kube.record import Record
from csi.kube.refusals import Refused
from csi.kube.storage import Storage
from csi.spec import manage_pb2 as pb
from drivers.backends import backend_id_of


@dataclass(frozen=True, slots=True)
class Origin:
    """The volume that it is a snapshot of."""

    handle: str
    mode: str
    storage: Storage


class SnapshotImports(BringingIn):
    """Carries out SnapshotImports."""

    kind, claimant, holder = SNAPSHOT_IMPORT, SNAPSHOT, CONTENT
    word = "snapshot"
    reference = "volumeSnapshotRef"

    def _check(self, record: Record) -> None:
        owner = record.owner
        self._world.own_class(SNAPSHOT_CLASS, owner["spec"]["snapshotClassName"], "driver")
        self._check_claimant(owner)
        origin = self._origin(owner)
        request = self._request(owner, origin)
        request.dry_run = True
        found = origin.storage.service.manage_snapshot(request)
        self._world.create_dry(SNAPSHOT, objects.snapshot(owner))
        record.note(node=origin.storage.node, backend=request.backend, capacity=str(found.size))

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
            allow_delete=owner["spec"]["allowDelete"],
        )

    def _adopt(self, record: Record) -> Pair:
        owner = record.owner
        origin = self._origin(owner)
        found = origin.storage.service.manage_snapshot(self._request(owner, origin))
        content = objects.content(owner, found.id, self._world.driver, origin.mode)
        record.note(
            snapshotHandle=found.id,
            capacity=str(found.size),
            snapshotContent=content["metadata"]["name"],
        )
        return Pair(content, objects.snapshot(owner))

    def _is_for(self, claimant: Object, name: str) -> bool:
        return bool(claimant["spec"]["source"].get("volumeSnapshotContentName") == name)

    def _is_bound(self, claimant: Object) -> bool:
        return objects.is_ready(claimant)

    def _let_go(self, record: Record) -> None:
        brought_in = objects.brought_in(record.owner, record["backend"])
        service = self._world.storage(record["node"]).service
        service.unmanage_snapshot(pb.UnmanageSnapshotRequest(brought_in=brought_in))
