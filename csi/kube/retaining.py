"""Who has an object's storage outlive it for a while: said on the object, together with the policy.

Two resources may want one PersistentVolume, and each has to say Retain before it removes anything. Of two
changes of the same version the API takes one. Whoever comes later finds the other's UID on the object and
leaves it alone; and nobody gives a policy back that somebody else counts on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from csi.kube.api import Api
from csi.kube.client import Object
from csi.kube.kinds import (
    CONTENT,
    GROUP,
    SNAPSHOT_IMPORT,
    SNAPSHOT_RELEASE,
    VOLUME,
    VOLUME_IMPORT,
    VOLUME_RELEASE,
    Kind,
)
from csi.kube.refusals import Overtaken

POLICIES: Mapping[Kind, str] = MappingProxyType(
    {VOLUME: "persistentVolumeReclaimPolicy", CONTENT: "deletionPolicy"}
)
"""Where an object says what becomes of its storage when it goes."""
KEEPERS: Mapping[Kind, Sequence[Kind]] = MappingProxyType(
    {VOLUME: (VOLUME_RELEASE, VOLUME_IMPORT), CONTENT: (SNAPSHOT_RELEASE, SNAPSHOT_IMPORT)}
)
"""The kinds of resources that have an object retained."""
KEEPER = f"{GROUP}/retained-by"
"""The annotation of an object that is retained for a while: the UID of the resource that has it retained."""
BEFORE = f"{GROUP}/policy-before"
"""The annotation beside it: what the object said before, if that was not Retain."""


class Retaining:
    """Retains objects for resources, each of which goes by its UID, and gives back what they said before."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def retain(self, kind: Kind, found: Object, by: str) -> Object:
        """The object that was found, whose storage outlives it from now on.

        ``kind`` is one of `POLICIES`. Raises `Overtaken` if another resource has it retained, and `Taken` if
        it is another one by now, or was changed.
        """
        self.check_free(kind, found, by)
        policy = policy_of(kind, found)
        if policy == "Retain" and _said(found, KEEPER) == by:
            return found
        # What an earlier one has left there is not what it said when this one came.
        return self._patch(kind, found, "Retain", by, None if policy == "Retain" else policy)

    def restore(self, kind: Kind, found: Object, by: str) -> None:
        """Give the object that was found back what it said before ``by`` had it retained, if it had."""
        if _said(found, KEEPER) == by:
            before = _said(found, BEFORE) or policy_of(kind, found)
            self._patch(kind, found, before, None, None)

    def forsake(self, kind: Kind, found: Object, by: str) -> None:
        """Have the very object that was found removed, and nothing of its storage.

        Raises as `retain`.
        """
        # Before anything is deleted: whoever sees it go must not take the data along.
        kept = self.retain(kind, found, by)
        if "deletionTimestamp" not in kept["metadata"]:
            self._api.delete(kind, kept, unchanged=True)

    def check_free(self, kind: Kind, found: Object, by: str) -> None:
        """Raises `Overtaken`, with its name, if another resource has the object retained."""
        keeper = _said(found, KEEPER)
        if keeper in ("", by):
            return
        for each in KEEPERS[kind]:
            for other in self._api.list(each):
                if other["metadata"]["uid"] == keeper:
                    who = f"{each.name} {other['metadata']['name']} ({keeper})"
                    what = f"{kind.name} {found['metadata']['name']}"
                    raise Overtaken("AlreadyReleased", f"{who} has {what} in work")
        # Nobody is left who would give it back: one whose finalizer was taken off by hand.

    def _patch(
        self, kind: Kind, found: Object, policy: str, keeper: str | None, before: str | None
    ) -> Object:
        metadata = found["metadata"]
        same = {key: metadata[key] for key in ("uid", "resourceVersion")}
        # With the same change: whoever comes next must know whose doing the policy is.
        marks = {"annotations": {KEEPER: keeper, BEFORE: before}}
        change = {"metadata": {**same, **marks}, "spec": {POLICIES[kind]: policy}}
        return self._api.patch(kind, metadata["name"], change)


def policy_of(kind: Kind, found: Object) -> str:
    """What becomes of the object's storage when it goes."""
    return str(found["spec"].get(POLICIES[kind], "Retain"))


def _said(found: Object, annotation: str) -> str:
    return str((found["metadata"].get("annotations") or {}).get(annotation, ""))
