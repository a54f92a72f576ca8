"""When an import's claim or snapshot does not get what it asks for, and whether that passes."""

from __future__ import annotations

from typing import Any

import pytest

from csi.kube import objects
from csi.kube.bringing_in import BringingIn, Pair
from csi.kube.client import Object
from csi.kube.imports import VolumeImports
from csi.kube.kinds import Kind
from csi.kube.refusals import Refused
from csi.kube.snapshot_imports import SnapshotImports

UID = "11111111-2222-3333-4444-555555555555"
NAME = objects.name_for(UID)
OWNER: Object = {
    "metadata": {"name": "import", "uid": UID},
    "spec": {
        "claim": {"namespace": "shop", "name": "data"},
        "snapshot": {"namespace": "shop", "name": "data"},
    },
}
KINDS: dict[str, tuple[type[BringingIn], Object]] = {
    "claimRef": (VolumeImports, {"volumeName": NAME}),
    "volumeSnapshotRef": (SnapshotImports, {"source": {"volumeSnapshotContentName": NAME}}),
}


class World:
    """The API has everything already, as it was written."""

    api: Any = None

    def create(self, _kind: Kind, document: Object) -> Object:
        return document


def refusal(reference: str, holds: str) -> Refused:
    """Why it is not bound, where the cluster-wide object names the UID ``holds``."""
    kind, spec = KINDS[reference]
    holder = {"metadata": {"name": NAME}, "spec": {reference: {"uid": holds} if holds else {}}}
    claimant = {"metadata": {"uid": "its"}, "spec": spec, "status": {}}
    world: Any = World()
    with pytest.raises(Refused) as caught:
        kind(world)._bind(OWNER, Pair(holder, claimant))
    return caught.value


@pytest.mark.parametrize("reference", KINDS)
@pytest.mark.parametrize("holds", ["", "its"])
def test_what_is_about_to_be_bound_passes(reference: str, holds: str) -> None:
    found = refusal(reference, holds)
    assert (found.reason, found.passes) == ("Waiting", True)


@pytest.mark.parametrize("reference", KINDS)
def test_what_belongs_to_one_that_is_gone_waits_for_a_person(reference: str) -> None:
    found = refusal(reference, "another's")
    assert (found.reason, found.passes) == ("NotPossible", False)
    assert "delete this" in found.message
