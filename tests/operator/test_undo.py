"""What is deleted on its way is taken back, whatever has been refused meanwhile, and no data goes with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from csi.kube.kinds import CLAIM, VOLUME, VOLUME_IMPORT, VOLUME_RELEASE, Kind
from csi.kube.objects import name_for
from tests.operator.bench import Bench, pod

pytestmark = pytest.mark.timeout(1200)

POLICY_API = "admissionregistration.k8s.io/v1"
POLICY = Kind(POLICY_API, "ValidatingAdmissionPolicy", "validatingadmissionpolicies")
BINDING = Kind(POLICY_API, "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings")
DESTROY = {"reclaimPolicy": "Delete", "allowDelete": True}


def policy(bench: Bench, name: str) -> str:
    """What becomes of a PersistentVolume's storage."""
    found = bench.api.get(VOLUME, name) or {"spec": {}}
    return str(found["spec"].get("persistentVolumeReclaimPolicy", ""))


@contextmanager
def nothing_binds(bench: Bench, volume: str) -> Iterator[None]:
    """For the block, nobody may write into the volume which claim it is bound to."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"]}
    is_free = "has(oldObject.spec.claimRef.uid) || !has(object.spec.claimRef.uid)"
    spec = {
        "matchConstraints": {"resourceRules": [rule | {"resources": ["persistentvolumes"]}]},
        "validations": [{"expression": f"object.metadata.name != '{volume}' || {is_free}"}],
    }
    bench.create(POLICY, "nobody", spec)
    bench.create(BINDING, "nobody", {"policyName": "nobody", "validationActions": ["Deny"]})
    try:
        yield
    finally:
        bench.delete(BINDING, "nobody")
        bench.delete(POLICY, "nobody")


def is_refused(bench: Bench, volume: str) -> bool:
    """Whether the API holds to it already."""
    change = {"spec": {"claimRef": {"uid": "somebody"}}}
    said = bench.plane.kubectl(
        *(
            "patch",
            "pv",
            volume,
            "--type=merge",
            "--dry-run=server",
            f"--patch={json.dumps(change)}",
        ),
        may_fail=True,
    )
    return not said


def test_no_claim_goes_before_its_volume_is_retained(idle: Bench) -> None:
    idle.node.add("precious")
    found = idle.bring_in("precious", "precious", **DESTROY)
    volume = name_for(found["metadata"]["uid"])
    with nothing_binds(idle, volume):
        idle.live_for(1, lambda: not idle.gone(VOLUME, volume))
        idle.eventually(lambda: is_refused(idle, volume))
        idle.live_for(1, lambda: idle.claim("precious"))
        idle.delete(VOLUME_IMPORT, "precious")
        wiped: list[str] = []

        def provision() -> bool:
            """What the provisioner does when a claim is gone whose volume says Delete."""
            if idle.claim("precious") is None and policy(idle, volume) == "Delete":
                wiped.append(volume)
            return idle.gone(VOLUME_IMPORT, "precious")

        # One change a life, and whoever looks between two lives sees no volume to be wiped.
        idle.live_for(2, provision, lives=100)
        assert not wiped
    assert idle.gone(VOLUME, volume)
    assert idle.claim("precious") is None
    assert idle.is_plain("precious")


def test_a_claim_that_is_bound_after_all_keeps_what_was_to_become_of_it(idle: Bench) -> None:
    idle.node.add("kept")
    found = idle.bring_in("kept", "kept", **DESTROY)
    volume = name_for(found["metadata"]["uid"])
    with nothing_binds(idle, volume):
        idle.live_for(1, lambda: not idle.gone(VOLUME, volume))
        idle.eventually(lambda: is_refused(idle, volume))
        idle.live_for(1, lambda: idle.claim("kept"))
        idle.delete(VOLUME_IMPORT, "kept")
        idle.live_for(1, lambda: policy(idle, volume) == "Retain")
        assert idle.claim("kept")["status"]["phase"] == "Pending"
    idle.eventually(lambda: idle.claim("kept")["status"]["phase"] == "Bound")
    idle.start()
    idle.eventually(lambda: idle.gone(VOLUME_IMPORT, "kept"), idle.log)
    assert policy(idle, volume) == "Delete"
    assert idle.claim("kept")["status"]["phase"] == "Bound"
    assert not idle.is_plain("kept")


def test_a_claim_that_a_person_made_is_not_deleted(idle: Bench) -> None:
    idle.node.add("persons")
    found = idle.bring_in("persons", "persons")
    volume = name_for(found["metadata"]["uid"])
    with nothing_binds(idle, volume):
        idle.live_for(1, lambda: not idle.gone(VOLUME, volume))
        idle.eventually(lambda: is_refused(idle, volume))
        spec: dict[str, Any] = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "hearth",
            "volumeName": volume,
        }
        made = idle.create(CLAIM, "persons", spec, "default")
        idle.delete(VOLUME_IMPORT, "persons")
        idle.start()
        idle.eventually(lambda: "somebody else's" in idle.log())
        assert idle.claim("persons")["metadata"]["uid"] == made["metadata"]["uid"]
        assert policy(idle, volume) == "Retain"
        idle.delete(CLAIM, "persons", "default")
        idle.eventually(lambda: idle.gone(VOLUME_IMPORT, "persons"), idle.log)
    assert idle.is_plain("persons")


def test_an_import_that_was_refused_on_the_way_is_undone(idle: Bench) -> None:
    idle.node.add("late")
    found = idle.bring_in("late", "late")
    volume = name_for(found["metadata"]["uid"])
    idle.live_for(1, lambda: not idle.gone(VOLUME, volume))
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        # More than there is, or it would be bound to the volume that is kept for its name.
        "resources": {"requests": {"storage": "100Gi"}},
        "storageClassName": "foreign",
    }
    other = idle.create(CLAIM, "late", spec, "default")
    idle.start()
    found = idle.until(VOLUME_IMPORT, "late", "Refused ClaimExists")
    conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
    assert conditions == {"Checked": "True", "Adopted": "True", "Bound": "False"}
    idle.delete(VOLUME_IMPORT, "late")
    idle.eventually(lambda: idle.gone(VOLUME_IMPORT, "late"), idle.log)
    assert idle.is_plain("late")
    assert idle.gone(VOLUME, volume)
    assert idle.claim("late")["metadata"]["uid"] == other["metadata"]["uid"]


def test_what_cannot_be_taken_back_yet_says_why(idle: Bench) -> None:
    idle.node.add("opening")
    found = idle.bring_in("opening", "opening")
    volume = name_for(found["metadata"]["uid"])
    idle.live_for(1, lambda: not idle.gone(VOLUME, volume))
    idle.node.lvs["opening"].is_open = True
    idle.delete(VOLUME_IMPORT, "opening")
    idle.start()
    found = idle.until(VOLUME_IMPORT, "opening", "Refused InUse")
    told = {each["type"]: each["message"] for each in found["status"]["conditions"]}
    assert "opening is open" in told["Undone"]
    idle.node.lvs["opening"].is_open = False
    idle.eventually(lambda: idle.gone(VOLUME_IMPORT, "opening"), idle.log)
    assert idle.is_plain("opening")


def test_a_release_that_was_refused_on_the_way_gives_the_policy_back(idle: Bench) -> None:
    idle.node.add("busy")
    found = idle.bring_in("busy", "busy", **DESTROY)
    volume = name_for(found["metadata"]["uid"])
    idle.start()
    idle.until(VOLUME_IMPORT, "busy", "Bound")
    idle.kill()
    idle.let_go("busy", "busy")
    idle.live_for(1, lambda: policy(idle, volume) == "Retain")
    pod(idle, "comer", "busy")
    idle.start()
    idle.until(VOLUME_RELEASE, "busy", "Refused InUse")
    idle.delete(VOLUME_RELEASE, "busy")
    idle.eventually(lambda: idle.gone(VOLUME_RELEASE, "busy"), idle.log)
    assert policy(idle, volume) == "Delete"
    assert idle.claim("busy")["status"]["phase"] == "Bound"
    assert not idle.is_plain("busy")


def test_a_release_whose_claim_is_going_is_finished_when_it_is_deleted(idle: Bench) -> None:
    idle.node.add("going")
    found = idle.bring_in("going", "going")
    volume = name_for(found["metadata"]["uid"])
    idle.start()
    idle.until(VOLUME_IMPORT, "going", "Bound")
    idle.kill()
    idle.let_go("going", "going")
    idle.live_for(1, lambda: idle.claim("going") is None)
    idle.delete(VOLUME_RELEASE, "going")
    idle.live_for(2, lambda: idle.gone(VOLUME_RELEASE, "going"))
    assert idle.gone(VOLUME, volume)
    assert idle.is_plain("going")
