"""The chart brings the custom resources of snapshots where a cluster has none, and leaves them there."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml

from tests.operator.plane import SNAPSHOTS, Plane, running
from tests.unit.chart import CHART, helm

pytestmark = pytest.mark.timeout(300)

ASKED = ("--set=snapshotCRDs.enabled=true", "--set=snapshotController.enabled=true")
SNAPSHOT = """
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: kept, namespace: default}
spec: {source: {persistentVolumeClaimName: data}}
"""
OF_TWO = """
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: of-two, namespace: default}
spec: {source: {persistentVolumeClaimName: data, volumeSnapshotContentName: content}}
"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Plane]:
    """A cluster that has never heard of snapshots."""
    with running(definitions=()) as plane:
        yield plane


def run_helm(plane: Plane, *arguments: str) -> tuple[int, str]:
    """Its exit status, and what it says."""
    place = (f"--kubeconfig={plane.kubeconfig('helm')}", "--namespace=hearth-csi", "--no-hooks")
    done = helm(arguments[0], "hearth", *arguments[1:], *place)
    return done.returncode, done.stdout + done.stderr


def install(plane: Plane, *arguments: str) -> tuple[int, str]:
    return run_helm(plane, "install", str(CHART), "--create-namespace", *arguments)


def versions(plane: Plane) -> dict[str, str]:
    """Of the definitions of snapshots, by their names: what changes with each change."""
    found = json.loads(plane.kubectl("get", "crd", "--output=json"))["items"]
    named = {each["metadata"]["name"]: each["metadata"]["resourceVersion"] for each in found}
    return {name: version for name, version in named.items() if "snapshot.storage" in name}


def test_without_them_an_installation_says_what_to_do(bare: Plane) -> None:
    status, said = install(bare)
    assert status
    assert "snapshotCRDs.enabled=true" in said


def test_a_rehearsal_cannot_know_them_before(bare: Plane) -> None:
    status, said = install(bare, "--dry-run=server", *ASKED)
    assert (status, versions(bare)) == (1, {})
    assert "ensure CRDs are installed first" in said


def test_they_are_made_once_and_stay(bare: Plane) -> None:
    assert versions(bare) == {}
    status, said = install(bare, *ASKED)
    assert status == 0, said
    classes = bare.kubectl("get", "volumesnapshotclass,volumegroupsnapshotclass", "--output=name")
    assert len(classes.split()) == 2, "of volumes and of groups"
    bare.kubectl("apply", "--filename=-", given=SNAPSHOT)
    bare.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    made = versions(bare)
    assert len(made) == 6
    # An older name, which Kubernetes' own tests still ask for.
    bare.kubectl("get", "volumegroupsnapshots.v1beta2.groupsnapshot.storage.k8s.io")
    for act in (("upgrade", str(CHART), *ASKED), ("uninstall",)):
        status, said = run_helm(bare, *act)
        assert status == 0, said
    status, said = install(bare, *ASKED)
    assert status == 0, said
    assert versions(bare) == made
    assert bare.kubectl("get", "volumesnapshot", "--output=name").strip().endswith("/kept")


def test_what_contradicts_itself_is_refused(bare: Plane) -> None:
    with pytest.raises(AssertionError, match="and not both"):
        bare.kubectl("apply", "--filename=-", given=OF_TWO)


def test_those_that_somebody_else_made_are_not_changed() -> None:
    with running(definitions=()) as plane:
        for path in SNAPSHOTS.glob("*.yaml"):
            theirs = yaml.safe_load(path.read_text())
            theirs["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "theirs"
            plane.kubectl("create", "--filename=-", given=yaml.safe_dump(theirs))
        made = versions(plane)
        status, said = install(plane, *ASKED)
        assert (status, "conflict" in said) == (1, True), said
        assert versions(plane) == made
        status, said = install(plane)
        assert status == 0, said
