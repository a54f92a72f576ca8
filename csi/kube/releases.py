"""VolumeRelease: the volume of a claim becomes a plain logical volume again.

What is needed to finish is written into the status before the first thing is removed: after that, claim
and PersistentVolume are no longer there to be asked. Until then everything can be taken back.
"""

from __future__ import annotations

from csi.kube import objects
from csi.kube.client import Object
from csi.kube.kinds import CLAIM, POD, VOLUME, VOLUME_RELEASE
from csi.kube.record import Record, renamed
from csi.kube.refusals import SOON, Refused
from csi.kube.world import World
from csi.spec import manage_pb2 as pb


class VolumeReleases:
    """Carries out VolumeReleases."""

    kind = VOLUME_RELEASE

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
        """Take back what can be: once the claim is going, finish instead. Raises `Refused`."""
        if not record.has("Checked") or record.has("Released") or record.owner["spec"]["dryRun"]:
            return
        with renamed():
            if self._is_begun(record):
                self.carry_out(record)
                return
            change = {"spec": {"persistentVolumeReclaimPolicy": record["reclaimPolicy"]}}
            if self._api.get(VOLUME, record["persistentVolume"]) is not None:
                self._api.patch(VOLUME, record["persistentVolume"], change)

    def _is_begun(self, record: Record) -> bool:
        """Whether the claim that was checked is gone, or going."""
        if not record.has("Checked"):
            return False
        with renamed():
            claim = self._claim(record.owner)
        return (
            claim is None
            or claim["spec"].get("volumeName") != record["persistentVolume"]
            or "deletionTimestamp" in claim["metadata"]
        )

    def _claim(self, owner: Object) -> Object | None:
        wanted = owner["spec"]["claim"]
        return self._api.get(CLAIM, wanted["name"], wanted["namespace"])

    def _check(self, record: Record) -> None:
        volume = self._volume(record.owner)
        self._check_unused(record.owner)
        handle = objects.handle_of(volume, self._world.driver)
        storage = self._world.storage_of(handle)
        for found in storage.snapshots(volume_id=handle):
            raise Refused("HasSnapshots", f"snapshot {found.id} of it exists: delete it before")
        given = record.owner["spec"].get("logicalVolumeName", "")
        name = given or next((each.reference for each in storage.volumes(volume_id=handle)), "")
        request = pb.UnmanageVolumeRequest(volume_id=handle, name=name, dry_run=True)
        answer = storage.unmanage_volume(request)
        policy = volume["spec"].get("persistentVolumeReclaimPolicy", "Retain")
        record.note(
            node=storage.node,
            volumeHandle=handle,
            persistentVolume=volume["metadata"]["name"],
            reclaimPolicy=record["reclaimPolicy"] or policy,
            volumeGroup=answer.storage,
            logicalVolume=answer.reference.name or name,
            uuid=answer.reference.uuid,
        )

    def _volume(self, owner: Object) -> Object:
        """The PersistentVolume of the claim, if it is one of this driver."""
        wanted = owner["spec"]["claim"]
        claim = self._claim(owner)
        if claim is None:
            raise Refused(
                "InvalidReference", f"there is no claim {wanted['namespace']}/{wanted['name']}"
            )
        name = claim["spec"].get("volumeName", "")
        volume = self._api.get(VOLUME, name) if objects.bound(claim, name) else None
        if volume is None:
            raise Refused("NotBound", f"claim {wanted['namespace']}/{wanted['name']} has no volume")
        if not objects.handle_of(volume, self._world.driver):
            raise Refused("ClassMismatch", f"volume {name} is none of {self._world.driver}")
        return volume

    def _check_unused(self, owner: Object) -> None:
        wanted = owner["spec"]["claim"]
        pods = self._api.list(POD, wanted["namespace"])
        if using := objects.users(pods, wanted["name"]):
            raise Refused("InUse", f"pod {', '.join(using[:5])} uses it: delete it before")

    def _remove(self, record: Record) -> None:
        name = record["persistentVolume"]
        self._world.retain_volume(name)
        claim = self._claim(record.owner)
        if claim is not None and claim["spec"].get("volumeName") == name:
            if "deletionTimestamp" not in claim["metadata"]:
                # A pod may have come since; its claim would go as soon as it ends, and with it the volume.
                self._check_unused(record.owner)
                self._api.delete(CLAIM, claim)
            raise Refused("Waiting", "the claim is still being removed", SOON)
        self._world.forsake_volume(name)
        if self._api.get(VOLUME, name) is not None:
            raise Refused("Waiting", f"volume {name} is still being removed", SOON)

    def _let_go(self, record: Record) -> None:
        storage = self._world.storage_of(record["volumeHandle"])
        request = pb.UnmanageVolumeRequest(
            volume_id=record["volumeHandle"], name=record["logicalVolume"]
        )
        answer = storage.unmanage_volume(request)
        # Empty if an earlier try has done it, which then was not told: it is where the check said.
        if answer.reference.name:
            record.note(logicalVolume=answer.reference.name, volumeGroup=answer.storage)
        if answer.reference.uuid:
            record.note(uuid=answer.reference.uuid)
