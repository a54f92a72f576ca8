"""What VolumeRelease and SnapshotRelease have in common: an object of the storage is given back.

What is needed to finish is written into the status before the first thing is removed: after that, the two
objects of the cluster that had it are no longer there to be asked. Until then everything can be taken back.
Nothing is removed but the two objects that were checked: another claimant's holder, by now, is left alone,
and so is one that another release has retained before. Of two, exactly one goes on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from csi.kube.client import Object
from csi.kube.kinds import Kind
from csi.kube.record import Record
from csi.kube.refusals import SOON, Overtaken, Refused
from csi.kube.retaining import Retaining, policy_of
from csi.kube.storage import all_of
from csi.kube.world import World
from csi.manage.client import ManageCalls
from csi.spec import manage_pb2 as pb
from drivers.backends import backend_id_of
from drivers.errors import NotFound


@dataclass(frozen=True, slots=True)
class Fields:
    """Where a release says of whom it is, and where its status keeps what finishing needs."""

    wanted: str
    """In its spec, who has the object now: namespace and name."""
    holder: str
    """In its status, the name of the cluster-wide object behind that one."""
    handle: str
    policy: str
    """In its status, what was to become of the object before."""

    @property
    def claimant_uid(self) -> str:
        """In its status, the UID of who had the object when it was checked."""
        return f"{self.wanted}UID"

    @property
    def holder_uid(self) -> str:
        """In its status, the UID of the cluster-wide object behind that one."""
        return f"{self.holder}UID"


@dataclass(frozen=True, slots=True)
class Found:
    """What the check has found: the two objects, the handle, and what the storage calls it."""

    claimant: Object
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
    reference: str
    """Where the cluster-wide object's spec says of whom it is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = world.api
        self._retaining = Retaining(world.api)

    @abstractmethod
    def _find(self, owner: Object) -> Found:
        """What is to be given back, if nothing stands against it. Raises `Refused`."""

    @abstractmethod
    def _let_go_of(
        self, service: ManageCalls, handle: str, name: str, *, dry: bool
    ) -> pb.UnmanageVolumeResponse | pb.UnmanageSnapshotResponse:
        """Ask the node."""

    @abstractmethod
    def _manageable(
        self, service: ManageCalls, request: pb.ListManageableRequest
    ) -> Iterator[pb.Manageable]:
        """What is in the storage and nobody's."""

    @abstractmethod
    def _check_unused(self, owner: Object) -> None:
        """Raises `Refused` if somebody in the cluster uses it."""

    def carry_out(self, record: Record) -> None:
        """Everything that is left to do. Raises `Refused` where it does not go on."""
        if record.has("Released"):
            return
        if not record.begun:
            dry = record.owner["spec"]["dryRun"]
            with record.step("Checked", "Checked" if dry else ""):
                self._check(record)
                record.begin(really=not dry)
            if dry:
                return
        with record.step("Removed", "Removing"):
            self._remove(record)
        with record.step("Released", "Released"):
            self._let_go(record)

    def undo(self, record: Record) -> None:
        """Take back what can be: once the claimant is going, finish instead. Raises `Refused`."""
        if not record.begun or record.has("Released"):
            return
        stays = True
        with record.undoing(), suppress(Overtaken):
            stays = self._staying(record) is not None
            if stays and (holder := self._holder(record)) is not None:
                self._retaining.restore(self.holder, holder, record.uid)
        if not stays:
            with suppress(Overtaken):
                self.carry_out(record)

    def _wanted(self, owner: Object) -> Object:
        """The claimant, which must be there. Raises `Refused`."""
        if (found := self._claimant(owner)) is not None:
            return found
        what = f"there is no {self._named(owner)}"
        if others := self._others(owner):
            raise Overtaken("AlreadyReleased", f"{what}: {self._called(others[0])} has released it")
        raise Refused("InvalidReference", what)

    def _named(self, owner: Object) -> str:
        wanted = owner["spec"][self.fields.wanted]
        return f"{self.fields.wanted} {wanted['namespace']}/{wanted['name']}"

    def _others(self, owner: Object) -> list[Object]:
        """The releases that have, or had, what is behind a claimant of that name; the latest first."""
        wanted, uid = owner["spec"][self.fields.wanted], owner["metadata"]["uid"]
        found = [
            each
            for each in self._api.list(self.kind)
            if each["spec"][self.fields.wanted] == wanted
            and each["metadata"]["uid"] != uid
            and (each.get("status") or {}).get("retained")
        ]
        return sorted(found, key=lambda each: str(each["metadata"]["creationTimestamp"]))[::-1]

    def _called(self, release: Object) -> str:
        return f"{self.kind.name} {release['metadata']['name']} ({release['metadata']['uid']})"

    def _claimant(self, owner: Object) -> Object | None:
        wanted = owner["spec"][self.fields.wanted]
        return self._api.get(self.claimant, wanted["name"], wanted["namespace"])

    def _same(self, record: Record) -> Object | None:
        """The claimant that was checked, if it is there."""
        found = self._claimant(record.owner)
        uid = record[self.fields.claimant_uid]
        return found if found is not None and found["metadata"]["uid"] == uid else None

    def _staying(self, record: Record) -> Object | None:
        """The claimant that was checked, unless it is gone or going."""
        found = self._same(record)
        return None if found is None or "deletionTimestamp" in found["metadata"] else found

    def _holder(self, record: Record) -> Object | None:
        """The cluster-wide object, if it is there. Raises `Overtaken` if it is somebody else's by now."""
        name = record[self.fields.holder]
        found = self._api.get(self.holder, name)
        if found is None:
            return None
        if found["metadata"]["uid"] != record[self.fields.holder_uid]:
            raise Overtaken("NotOurs", f"{self.holder.name} {name} is another one by now")
        if self._claimant_uid_of(found) != record[self.fields.claimant_uid]:
            message = f"{self.holder.name} {name} is another {self.claimant.name}'s by now"
            raise Overtaken("NotOurs", message)
        return found

    def _claimant_uid_of(self, holder: Object) -> str:
        reference = holder["spec"].get(self.reference) or {}
        return str(reference.get("uid", ""))

    def _check(self, record: Record) -> None:
        found = self._checked(record.owner)
        storage = self._world.storage_of(found.handle)
        answer = self._rehearsed(record.owner, found)
        record.note(
            node=storage.node,
            volumeGroup=answer.storage,
            logicalVolume=answer.reference.name,
            uuid=answer.reference.uuid,
            **{
                self.fields.handle: found.handle,
                self.fields.holder: found.holder["metadata"]["name"],
                self.fields.holder_uid: found.holder["metadata"]["uid"],
                self.fields.claimant_uid: found.claimant["metadata"]["uid"],
                self.fields.policy: policy_of(self.holder, found.holder),
            },
        )

    def _checked(self, owner: Object) -> Found:
        found = self._find(owner)
        if self._claimant_uid_of(found.holder) != found.claimant["metadata"]["uid"]:
            name = found.holder["metadata"]["name"]
            raise Refused("NotBound", f"{self.holder.name} {name} is not bound to it")
        self._retaining.check_free(self.holder, found.holder, owner["metadata"]["uid"])
        self._check_unused(owner)
        return found

    def _rehearsed(
        self, owner: Object, found: Found
    ) -> pb.UnmanageVolumeResponse | pb.UnmanageSnapshotResponse:
        service = self._world.storage_of(found.handle).service
        name = owner["spec"].get("logicalVolumeName", "") or found.original
        answer = self._let_go_of(service, found.handle, name, dry=True)
        if not answer.reference.name:
            raise Refused("InvalidReference", f"the node has no {found.handle}")
        return answer

    def _remove(self, record: Record) -> None:
        name = record[self.fields.holder]
        # Before anything is refused or waited for: the claimant may be going already, or go while this rests.
        self._retain(record)
        if (claimant := self._staying(record)) is not None:
            self._remove_claimant(record, claimant)
        if self._same(record) is not None:
            raise Refused("Waiting", f"the {self.claimant.name} is still being removed", SOON)
        if (found := self._holder(record)) is not None:
            self._retaining.forsake(self.holder, found, record.uid)
        if self._api.get(self.holder, name) is not None:
            raise Refused("Waiting", f"{self.holder.name} {name} is still being removed", SOON)

    def _retain(self, record: Record) -> None:
        if (holder := self._holder(record)) is not None:
            self._retaining.retain(self.holder, holder, record.uid)
            record.note(retained=True)
            record.write()
        elif not record["retained"]:
            # It went without this one: whose it was has it, and not whoever comes upon what is left.
            what = f"{self.holder.name} {record[self.fields.holder]} is gone"
            for each in self._others(record.owner):
                if each["status"].get(self.fields.handle) == record[self.fields.handle]:
                    raise Overtaken(
                        "AlreadyReleased", f"{what}: {self._called(each)} has released it"
                    )
            raise Overtaken("Lost", f"{what}: it went before this had it retained")

    def _remove_claimant(self, record: Record, claimant: Object) -> None:
        # Somebody may have come since; the claimant would go as soon as he ends, and with it the storage.
        self._rehearsed(record.owner, self._checked(record.owner))
        if self._holder(record) is not None:
            self._api.delete(self.claimant, claimant)

    def _let_go(self, record: Record) -> None:
        handle, name = record[self.fields.handle], record["logicalVolume"]
        service = self._world.storage_of(handle).service
        if not record["releasing"]:
            self._check_there(service, record)
            record.note(releasing=True)
            record.write()
        answer = self._let_go_of(service, handle, name, dry=False)
        # Empty if an earlier try has done it, which then was not told.
        left = answer.reference if answer.reference.name else self._left(record)
        record.note(logicalVolume=left.name, volumeGroup=answer.storage or record["volumeGroup"])
        if left.uuid:
            record.note(uuid=left.uuid)

    def _left(self, record: Record) -> pb.Reference:
        """What was let go of, as the storage has it now. Raises `Overtaken` if it has nothing of it."""
        handle, name, uuid = record[self.fields.handle], record["logicalVolume"], record["uuid"]
        storage = self._world.storage_of(handle)
        backend = storage.backend_with(backend_id_of(handle))
        for each in self._manageable(storage.service, all_of(backend)):
            found = each.reference
            if not each.id and (found.uuid == uuid if uuid else found.name == name):
                return found
        message = f"{record['volumeGroup']} has no {name} ({uuid}) that was let go of"
        raise Overtaken("Lost", f"{message}: somebody has taken it since")

    def _check_there(self, service: ManageCalls, record: Record) -> None:
        """Whether there is something to release: later, an empty answer means that it has been."""
        handle, name = record[self.fields.handle], record["logicalVolume"]
        try:
            self._let_go_of(service, handle, name, dry=True)
        except NotFound as error:
            raise Overtaken("Lost", f"{error}: it went before it was released") from error
