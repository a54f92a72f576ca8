"""What VolumeRelease and SnapshotRelease have in common: an object of the storage is given back.

What is needed to finish is written into the status before the first thing is removed: after that, the two
objects of the cluster that had it are no longer there to be asked. Until then everything can be taken back.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from csi.kube.client import Object
from csi.kube.kinds import Kind
from csi.kube.record import Record, renamed
from csi.kube.refusals import SOON, Refused
from csi.kube.world import POLICIES, World
from csi.manage.client import ManageCalls
from csi.spec import manage_pb2 as pb


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a release says of whom it is, and where its status keeps what finishing needs."""

    wanted: str
    """In its spec, who has the object now: namespace and name."""
    holder: str
    """In its status, the name of the cluster-wide object behind that one."""
    handle: str
    policy: str
    """In its status, what was to become of the object before: for whoever takes the release back."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the check has found: the cluster-wide object, its handle, and what the storage calls it."""

    holder: Object
    handle: str
    original: str


class GivingBack(ABC):
    """Carries out the releases of one kind."""

    kind: Kind
    claimant: Kind
    """The kind of the namespaced object that has it."""
    holder: Kind
    """The kind of the cluster-wide object behind that one."""
    fields: Fields

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = world.api

    @abstractmethod
    def _find(self, owner: Object) -> Found:
        """What is to be given back, if nothing stands against it. Raises `Refused`."""

    @abstractmethod
    def _holder_of(self, claimant: Object) -> str:
        """The name of the cluster-wide object behind a namespaced one."""

    @abstractmethod
    def _let_go_of(
        self, service: ManageCalls, handle: str, name: str, *, dry: bool
    ) -> pb.UnmanageVolumeResponse | pb.UnmanageSnapshotResponse:
        """Ask the node."""

    @abstractmethod
    def _check_unused(self, owner: Object) -> None:
        """Raises `Refused` if somebody in the cluster uses it."""

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
        """Take back what can be: once the claimant is going, finish instead. Raises `Refused`."""
        if not record.has("Checked") or record.has("Released") or record.owner["spec"]["dryRun"]:
            return
        with renamed():
            if self._is_begun(record):
                self.carry_out(record)
            elif self._api.get(self.holder, record[self.fields.holder]) is not None:
                change = {"spec": {POLICIES[self.holder]: record[self.fields.policy]}}
                self._api.patch(self.holder, record[self.fields.holder], change)

    def _is_begun(self, record: Record) -> bool:
        """Whether the claimant that was checked is gone, or going."""
        if not record.has("Checked"):
            return False
        with renamed():
            found = self._claimant(record.owner)
        return (
            found is None
            or self._holder_of(found) != record[self.fields.holder]
            or "deletionTimestamp" in found["metadata"]
        )

    def _claimant(self, owner: Object) -> Object | None:
        wanted = owner["spec"][self.fields.wanted]
        return self._api.get(self.claimant, wanted["name"], wanted["namespace"])

    def _check(self, record: Record) -> None:
        found = self._find(record.owner)
        self._check_unused(record.owner)
        storage = self._world.storage_of(found.handle)
        name = record.owner["spec"].get("logicalVolumeName", "") or found.original
        answer = self._let_go_of(storage.service, found.handle, name, dry=True)
        policy = found.holder["spec"].get(POLICIES[self.holder], "Retain")
        record.note(
            node=storage.node,
            volumeGroup=answer.storage,
            logicalVolume=answer.reference.name or name,
            uuid=answer.reference.uuid,
            **{
                self.fields.handle: found.handle,
                self.fields.holder: found.holder["metadata"]["name"],
                self.fields.policy: record[self.fields.policy] or policy,
            },
        )

    def _remove(self, record: Record) -> None:
        name = record[self.fields.holder]
        self._world.retain(self.holder, name)
        claimant = self._claimant(record.owner)
        if claimant is not None and self._holder_of(claimant) == name:
            if "deletionTimestamp" not in claimant["metadata"]:
                # A pod may have come since; the claim would go as soon as it ends, and with it the volume.
                self._check_unused(record.owner)
                self._api.delete(self.claimant, claimant)
            raise Refused("Waiting", f"the {self.claimant.name} is still being removed", SOON)
        self._world.forsake(self.holder, name)
        if self._api.get(self.holder, name) is not None:
            raise Refused("Waiting", f"{self.holder.name} {name} is still being removed", SOON)

    def _let_go(self, record: Record) -> None:
        handle = record[self.fields.handle]
        service = self._world.storage_of(handle).service
        answer = self._let_go_of(service, handle, record["logicalVolume"], dry=False)
        # Empty if an earlier try has done it, which then was not told: it is where the check said.
        if answer.reference.name:
            record.note(logicalVolume=answer.reference.name, volumeGroup=answer.storage)
        if answer.reference.uuid:
            record.note(uuid=answer.reference.uuid)
