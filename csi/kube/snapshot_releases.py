"""SnapshotRelease: the snapshot behind a VolumeSnapshot becomes a plain one of the storage again."""

from __future__ import annotations

from collections.abc import Iterator

from csi.kube import objects
from csi.kube.client import Object
from csi.kube.giving_back import Fields, Found, GivingBack
from csi.kube.kinds import CONTENT, SNAPSHOT, SNAPSHOT_RELEASE
from csi.kube.refusals import Refused
from csi.manage.client import ManageCalls
from csi.spec import manage_pb2 as pb


class SnapshotReleases(GivingBack):
    """Carries out SnapshotReleases."""

    kind, claimant, holder = SNAPSHOT_RELEASE, SNAPSHOT, CONTENT
    fields = Fields("snapshot", "snapshotContent", "snapshotHandle", "deletionPolicy")
    reference = "volumeSnapshotRef"

    def _find(self, owner: Object) -> Found:
        snapshot = self._wanted(owner)
        content = self._content(owner, snapshot)
        handle = objects.snapshot_handle_of(content)
        service = self._world.storage_of(handle).service
        found = service.snapshots(snapshot_id=handle)
        return Found(snapshot, content, handle, next((each.reference for each in found), ""))

    def _content(self, owner: Object, snapshot: Object) -> Object:
        """The content of the VolumeSnapshot, if it is one of this driver."""
        name = objects.content_of(snapshot)
        content = self._api.get(CONTENT, name) if name else None
        if content is None or not objects.snapshot_handle_of(content):
            raise Refused("NotBound", f"{self._named(owner)} has no content yet")
        if content["spec"]["driver"] != self._world.driver:
            raise Refused("ClassMismatch", f"{self._named(owner)} is none of {self._world.driver}")
        return content

    def _check_unused(self, owner: Object) -> None:
        """Nobody does: what is restored from it is a copy."""

    def _let_go_of(
        self, service: ManageCalls, handle: str, name: str, *, dry: bool
    ) -> pb.UnmanageSnapshotResponse:
        request = pb.UnmanageSnapshotRequest(snapshot_id=handle, name=name, dry_run=dry)
        return service.unmanage_snapshot(request)

    def _manageable(
        self, service: ManageCalls, request: pb.ListManageableRequest
    ) -> Iterator[pb.Manageable]:
        return service.manageable_snapshots(request)
