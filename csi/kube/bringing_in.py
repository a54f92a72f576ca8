"""What VolumeImport and SnapshotImport have in common: an object of the storage is brought in.

Checked → Adopted → the cluster-wide object → the namespaced one → Bound. Whoever dies in between is succeeded
by another who finds each thing by the name that it has from the resource's UID. What stands against an import
is looked for until it is begun; from then on there may be something to undo, and the mark that says so stays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from csi.kube import objects
from csi.kube.client import Object
from csi.kube.kinds import Kind
from csi.kube.record import Record
from csi.kube.refusals import SOON, Refused
from csi.kube.retaining import Retaining
from csi.kube.world import World


@dataclass(frozen=True, slots=True)
class Pair:
    """The two objects that the API is to be given for what was adopted."""

    holder: Object
    claimant: Object


class BringingIn(ABC):
    """Carries out the imports of one kind."""

    kind: Kind
    claimant: Kind
    """The kind of the namespaced object that gets it."""
    holder: Kind
    """The kind of the cluster-wide object behind that one."""
    word: str
    """What people call the claimant, and where the spec names it."""
    reference: str
    """Where the cluster-wide object's spec names the claimant that has it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._api = world.api
        self._retaining = Retaining(world.api)

    @abstractmethod
    def _check(self, record: Record) -> None:
        """Whether nothing speaks against it, and what was found. Raises `Refused`."""

    @abstractmethod
    def _adopt(self, record: Record) -> Pair:
        """Have the node adopt it, now or by an earlier try. Raises `Refused`."""

    @abstractmethod
    def _is_for(self, claimant: Object, name: str) -> bool:
        """Whether a namespaced object asks for the cluster-wide one of that ``name``."""

    @abstractmethod
    def _is_bound(self, claimant: Object) -> bool:
        """Whether somebody may rely on it by now."""

    @abstractmethod
    def _let_go(self, record: Record) -> None:
        """Have the node give up what it adopted, if it has."""

    def carry_out(self, record: Record) -> None:
        """Everything that is left to do. Raises `Refused` where it does not go on."""
        if record.has("Bound"):
            return
        if not record.begun:
            dry = record.owner["spec"]["dryRun"]
            with record.step("Checked", "Checked" if dry else ""), self._world.named(self.kind):
                self._check(record)
                record.begin(really=not dry)
            if dry:
                return
        with record.step("Adopted", "Adopted"), self._world.named(self.kind):
            pair = self._adopt(record)
        with record.step("Bound", "Bound"):
            self._bind(record.owner, pair)

    def undo(self, record: Record) -> None:
        """Leave it as it was found, unless somebody has it. Raises `Refused`."""
        if not record.begun or record.has("Bound"):
            return
        with record.undoing():
            if self._unbound(record.owner):
                self._remove_holder(record.owner)
                self._let_go(record)

    def _check_claimant(self, owner: Object) -> None:
        wanted = owner["spec"][self.word]
        found = self._api.get(self.claimant, wanted["name"], wanted["namespace"])
        if found is not None:
            self._refuse_other(owner, found)

    def _refuse_other(self, owner: Object, found: Object) -> None:
        if not self._is_for(found, objects.name_for(owner["metadata"]["uid"])):
            raise Refused(
                f"{self.word.capitalize()}Exists",
                f"{self._named(owner)} is there already: an import makes the {self.word} itself, so"
                " delete it or name another",
            )

    def _bind(self, owner: Object, pair: Pair) -> None:
        holder = self._world.create(self.holder, pair.holder)
        found = self._world.create(self.claimant, pair.claimant)
        self._refuse_other(owner, found)
        if not self._is_bound(found):
            name = pair.holder["metadata"]["name"]
            has = (holder["spec"].get(self.reference) or {}).get("uid")
            if has and has != found["metadata"]["uid"]:
                raise Refused(
                    "NotPossible",
                    f"{self.holder.name} {name} still belongs to a {self.word} of that name that was"
                    f" deleted, and takes no other: delete this {self.kind.name} and make it again",
                )
            raise Refused("Waiting", f"{self._named(owner)} is not bound to {name} yet", SOON)

    def _unbound(self, owner: Object) -> bool:
        """Remove the claimant; false if it is bound, and then somebody has what is behind it."""
        wanted, name = owner["spec"][self.word], objects.name_for(owner["metadata"]["uid"])
        claimant = self._api.get(self.claimant, wanted["name"], wanted["namespace"])
        holder = self._api.get(self.holder, name)
        if claimant is None or not self._is_for(claimant, name):
            return True
        if self._is_bound(claimant):
            if holder is not None:
                self._retaining.restore(self.holder, holder, owner["metadata"]["uid"])
            return False
        if not objects.is_made_for(owner, claimant):
            message = f"{self._named(owner)} asks for {name}, and is somebody else's: delete it"
            raise Refused(f"{self.word.capitalize()}Exists", message)
        # Without its claimant it would be deleted, and what is behind it wiped, if its policy says so.
        if holder is not None:
            self._retaining.retain(self.holder, holder, owner["metadata"]["uid"])
        # Unchanged: it may be bound between the look and the deletion.
        self._api.delete(self.claimant, claimant, unchanged=True)
        return True

    def _remove_holder(self, owner: Object) -> None:
        name = objects.name_for(owner["metadata"]["uid"])
        found = self._api.get(self.holder, name)
        if found is not None:
            self._retaining.forsake(self.holder, found, owner["metadata"]["uid"])
        if self._api.get(self.holder, name) is not None:
            raise Refused("Waiting", f"{self.holder.name} {name} is still being removed", SOON)

    def _named(self, owner: Object) -> str:
        wanted = owner["spec"][self.word]
        return f"{self.word} {wanted['namespace']}/{wanted['name']}"
