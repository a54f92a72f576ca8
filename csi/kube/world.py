"""What every resource's work needs of Kubernetes and of the nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from csi.kube.api import Absent, Api, Refusal, Taken
from csi.kube.client import Object
from csi.kube.events import Events, now
from csi.kube.kinds import Kind
from csi.kube.record import Record, renamed
from csi.kube.refusals import SOON, Refused
from csi.kube.storage import Nodes, Storage


@dataclass(frozen=True, slots=True)
class World:
    """The API, the nodes, and who this is."""

    api: Api
    nodes: Nodes
    events: Events
    driver: str
    topology: str
    clock: Callable[[], datetime] = field(default=now)

    def record(self, kind: Kind, seen: Object) -> Record | None:
        """A resource as it is now; None if the one that was seen is gone. Raises `Refused`."""
        with renamed():
            owner = self.api.get(kind, seen["metadata"]["name"])
        if owner is None or owner["metadata"]["uid"] != seen["metadata"]["uid"]:
            return None
        return Record(kind, owner, self.api, self.events, self.clock)

    def storage(self, node: str) -> Storage:
        """What a node has. Raises `Unavailable` if it is not announced."""
        return Storage(self.nodes.named(node))

    def storage_of(self, object_id: str) -> Storage:
        """What the node has that has the object. Raises what `csi.router.nodes.Nodes.owner` does."""
        return Storage(self.nodes.owner(object_id))

    @contextmanager
    def named(self, kind: Kind) -> Iterator[None]:
        """For the block, who else has it is told by the name of the resource of that ``kind``.

        Nodes know UIDs alone. Raises `Refused` whatever it was that stood in the way.
        """
        try:
            with renamed():
                yield
        except Refused as error:
            if error.reason != "AlreadyManaged":
                raise
            with renamed():
                message = self._with_names(kind, error.message)
            raise Refused(error.reason, message, error.again) from error

    def _with_names(self, kind: Kind, message: str) -> str:
        for each in self.api.list(kind):
            name, uid = each["metadata"]["name"], each["metadata"]["uid"]
            message = message.replace(uid, f"{kind.name} {name} ({uid})")
        return message

    def own_class(self, kind: Kind, name: str, key: str) -> Object:
        """The class of that name, which must be this driver's: ``key`` is where it says so."""
        found = self.api.get(kind, name)
        if found is None:
            raise Refused("ClassMismatch", f"there is no {kind.name} {name}")
        if found[key] != self.driver:
            raise Refused(
                "ClassMismatch", f"{kind.name} {name} is of {found[key]} and not of {self.driver}"
            )
        return found

    def create(self, kind: Kind, document: Object) -> Object:
        """The object as the API has it, made now or by an earlier try."""
        metadata = document["metadata"]
        try:
            return self.api.create(kind, document)
        except Taken:
            found = self.api.get(kind, metadata["name"], metadata.get("namespace", ""))
        if found is None or "deletionTimestamp" in found["metadata"]:
            raise Refused("Waiting", f"{kind.name} {metadata['name']} is being removed", SOON)
        return found

    def create_dry(self, kind: Kind, document: Object) -> None:
        """See whether the API would take it: namespace, quota, policies. Raises `Refused`."""
        metadata = document["metadata"]
        try:
            self.api.create(kind, document, dry=True)
        except Taken:
            return  # of an earlier try: whose it is has been looked at
        except Absent as error:
            raise Refused("InvalidReference", str(error)) from error
        except Refusal as error:
            what = f"{kind.name} {metadata['namespace']}/{metadata['name']}"
            raise Refused("ClaimRefused", f"{what} would not be taken: {error}") from error
