"""What the operator writes: documents in, documents out."""

from __future__ import annotations

from typing import Any

import pytest

from csi.kube import objects, refusals
from csi.kube.api import Refusal
from csi.kube.handlers import pause
from csi.kube.objects import Adopted
from csi.kube.record import turned
from drivers import errors
from drivers.manageable import Hindrance, Obstacle
from tools import crddocs

SPEC: dict[str, Any] = {
    "node": "n1",
    "storageClassName": "hearth",
    "accessModes": ["ReadWriteOnce"],
    "volumeMode": "Filesystem",
    "reclaimPolicy": "Retain",
    "claim": {"namespace": "team", "name": "data"},
}
TOPOLOGY = "topology.hearth-csi.io/node"
ADOPTED = Adopted("B.1", 4096, "xfs")


def owner(**more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "it", "uid": "U"}, "spec": SPEC | more}


def volume(storage_class: Any = None, **more: Any) -> Any:
    made = objects.volume(owner(**more), ADOPTED, storage_class or {}, "hearth-csi.io", TOPOLOGY)
    return made["spec"]


def test_a_volume_is_for_one_claim_and_on_one_node() -> None:
    spec = volume()
    assert spec["claimRef"] == {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "namespace": "team",
        "name": "data",
    }
    assert spec["capacity"] == {"storage": "4096"}
    assert spec["csi"] == {"driver": "hearth-csi.io", "volumeHandle": "B.1", "fsType": "xfs"}
    assert objects.node_of({"spec": spec}, TOPOLOGY) == "n1"
    assert objects.node_of({"spec": spec}, "topology.other/node") == ""
    assert "mountOptions" not in spec


def test_a_volume_mounts_as_its_class_says_and_a_device_has_no_filesystem() -> None:
    assert volume({"mountOptions": ["noatime"]})["mountOptions"] == ["noatime"]
    assert "fsType" not in volume(volumeMode="Block")["csi"]


def test_the_claim_asks_for_that_volume_and_no_other() -> None:
    made = objects.claim(owner(), 4096)
    assert made["metadata"]["namespace"] == "team"
    assert made["spec"]["volumeName"] == objects.name_for("U")
    assert made["metadata"]["labels"] == {objects.OWNER: "U"}


@pytest.mark.parametrize(
    ("pod", "uses"),
    [
        ({"volumes": [{"persistentVolumeClaim": {"claimName": "data"}}]}, True),
        ({"volumes": [{"name": "data", "ephemeral": {}}]}, False),
        ({"volumes": [{"persistentVolumeClaim": {"claimName": "other"}}, {"emptyDir": {}}]}, False),
        ({}, False),
    ],
)
def test_a_pod_uses_the_claims_that_it_names(pod: Any, uses: bool) -> None:
    found = {"metadata": {"name": "p"}, "spec": pod}
    assert bool(objects.users([found], "data")) is uses
    assert objects.users([found | {"status": {"phase": "Succeeded"}}], "data") == []


def test_a_pod_uses_the_claim_of_its_ephemeral_volume() -> None:
    pod = {"metadata": {"name": "p"}, "spec": {"volumes": [{"name": "v", "ephemeral": {}}]}}
    assert objects.users([pod], "p-v") == ["p"]


def test_a_handle_is_of_the_driver_or_none() -> None:
    found = {"spec": volume()}
    assert objects.handle_of(found, "hearth-csi.io") == "B.1"
    assert objects.handle_of(found, "other.io") == ""
    assert objects.handle_of({"spec": {"hostPath": {}}}, "hearth-csi.io") == ""


def test_a_condition_keeps_the_moment_since_when_it_is_so() -> None:
    first = turned([], {"type": "Checked", "status": "False", "reason": "InUse"}, "open", "T1")
    again = turned(first, {"type": "Checked", "status": "False", "reason": "InUse"}, "open", "T2")
    assert again is first
    other = turned(first, {"type": "Checked", "status": "False", "reason": "Busy"}, "b", "T2")
    assert other[0]["lastTransitionTime"] == "T1"
    done = turned(other, {"type": "Checked", "status": "True", "reason": "Checked"}, "", "T3")
    assert [each["lastTransitionTime"] for each in done] == ["T3"]


@pytest.mark.parametrize(
    ("error", "reason", "again"),
    [
        (errors.NotFound, "InvalidReference", refusals.LATER),
        (errors.Unsupported, "NotSupported", refusals.LATER),
        (errors.AlreadyManaged, "AlreadyManaged", refusals.LATER),
        (errors.InUse, "InUse", refusals.LATER),
        (errors.Precondition, "NotPossible", refusals.LATER),
        (errors.Busy, "Busy", refusals.SOON),
        (errors.Unavailable, "NodeUnavailable", refusals.SOON),
        (errors.StorageError, "NodeFailed", refusals.LATER),
    ],
)
def test_what_a_node_answers_becomes_a_reason(
    error: type[errors.StorageError], reason: str, again: float
) -> None:
    found = refusals.by_node(error("said\nso"))
    assert (found.reason, found.again, found.message) == (reason, again, "said so")


def test_an_operator_without_rights_to_snapshots_says_what_to_set() -> None:
    words = 'volumesnapshots.snapshot.storage.k8s.io "monday" is forbidden'
    found = refusals.by_api(Refusal(403, words))
    assert found.reason == "SnapshotsDisabled"
    assert "snapshots.enabled" in found.message
    assert refusals.by_api(Refusal(403, "pods is forbidden")).reason == "APIRefused"


def test_a_message_is_cut_to_what_the_api_takes() -> None:
    assert refusals.Refused("InUse", "open").message == "open"
    long = refusals.Refused("InUse", "open " * 1000).message
    assert (len(long), long[-1]) == (2048, "…")


def test_what_hinders_an_import_is_its_reason() -> None:
    obstacle = Obstacle(Hindrance.RAID_IMAGE, "an image of a mirror")
    found = refusals.by_node(errors.Unmanageable("vg0/x_rimage_0 is an image", obstacle))
    assert (found.reason, found.message) == ("RaidImage", "vg0/x_rimage_0 is an image")


def test_a_drivers_word_becomes_a_reason() -> None:
    assert refusals.word(Hindrance.OPEN) == "InUse"
    assert refusals.word(Hindrance.PART_OF_POOL) == "PartOfPool"


def test_the_pause_grows_to_a_bound() -> None:
    assert [pause(refusals.SOON, times) for times in (0, 1, 9)] == [2.0, 4.0, 60.0]
    assert [pause(refusals.LATER, times) for times in (0, 1, 9, 12)] == [5.0, 10.0, 2560.0, 3600.0]


def test_the_page_of_the_custom_resources_is_up_to_date() -> None:
    assert crddocs.main(["--check"]) == 0
