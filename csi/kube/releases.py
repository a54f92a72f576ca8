"""VolumeRelease: the volume of a claim becomes a plain logical volume again."""

from __future__ import annotations

from collections.abc import Iterator

from csi.kube import objects
from csi.kube.client import Object
from csi.kube.giving_back import Fields, Found, GivingBack
from csi.kube.kinds import CLAIM, POD, VOLUME, VOLUME_RELEASE
from csi.kube.refusals import Refused
from csi.manage.client import ManageCalls
from csi.spec import manage_pb2 as pb


class VolumeReleases(GivingBack):
    """Carries out VolumeReleases."""

    kind, claimant, holder = VOLUME_RELEASE, CLAIM, VOLUME
    fields = Fields("claim", "persistentVolume", "volumeHandle", "reclaimPolicy")
    reference = "claimRef"

    def _find(self, owner: Object) -> Found:
        claim = self._wanted(owner)
        volume = self._volume(owner, claim)
        handle = objects.handle_of(volume, self._world.driver)
        service = self._world.storage_of(handle).service
        for each in service.snapshots(volume_id=handle):
            raise Refused("HasSnapshots", f"snapshot {each.id} of it exists: delete it before")
        return Found(claim, volume, handle, service.volume(handle).reference)

    def _volume(self, owner: Object, claim: Object) -> Object:
        """The PersistentVolume of the claim, if it is one of this driver."""
        name = str(claim["spec"].get("volumeName", ""))
        volume = self._api.get(VOLUME, name) if objects.bound(claim, name) else None
        if volume is None:
            raise Refused("NotBound", f"{self._named(owner)} has no volume")
        if not objects.handle_of(volume, self._world.driver):
            raise Refused("ClassMismatch", f"volume {name} is none of {self._world.driver}")
        return volume

    def _check_unused(self, owner: Object) -> None:
        wanted = owner["spec"]["claim"]
        pods = self._api.list(POD, wanted["namespace"])
        if using := objects.users(pods, wanted["name"]):
            raise Refused("InUse", f"pod {', '.join(using[:5])} uses it: delete it before")

    def _let_go_of(
        self, service: ManageCalls, handle: str, name: str, *, dry: bool
    ) -> pb.UnmanageVolumeResponse:
        request = pb.UnmanageVolumeRequest(volume_id=handle, name=name, dry_run=dry)
        return service.unmanage_volume(request)

    def _manageable(
        self, service: ManageCalls, request: pb.ListManageableRequest
    ) -> Iterator[pb.Manageable]:
        return service.manageable_volumes(request)
