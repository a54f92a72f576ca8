"""Every kind of volume of examples/, from the manifest to the bytes in a pod, and back to nothing."""

from __future__ import annotations

import pytest
import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import EXAMPLES, Kubectl, until

MIB = 1 << 20


def node_of(kubectl: Kubectl, pod: str) -> str:
    return str(kubectl.get("pod", pod)["spec"]["nodeName"])


def volume_of(kubectl: Kubectl, claim: str) -> str:
    return str(kubectl.get("pvc", claim)["spec"]["volumeName"])


def test_a_pod_writes_and_its_successor_finds_the_data(kubectl: Kubectl) -> None:
    kubectl.example("pvc.yaml")
    assert kubectl.get("pvc", "data")["status"]["phase"] == "Pending", "it waits for a pod"
    kubectl.example("pod.yaml")
    kubectl.ready("writer")
    assert kubectl.sh("writer", "stat -c %g /data; id -u").split() == ["1000", "1000"], "fsGroup"
    node = node_of(kubectl, "writer")
    kubectl.delete("pod", "writer")
    kubectl.example("pod.yaml")
    kubectl.ready("writer")
    assert node_of(kubectl, "writer") == node, "the volume holds the pod to its node"
    assert len(kubectl.sh("writer", "cat /data/log").splitlines()) == 2
    volume = kubectl.get("persistentvolume", volume_of(kubectl, "data"))
    assert volume["spec"]["csi"]["driver"] == "hearth-csi.io"
    terms = volume["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert terms == [
        {
            "matchExpressions": [
                {"key": "topology.hearth-csi.io/node", "operator": "In", "values": [node]}
            ]
        }
    ]
    (tags,) = cluster.volumes(node).values()
    assert "hearth-e2e" in tags, "what a PV needs can be read from the logical volume"


@pytest.mark.parametrize("name", ["thick", "xfs", "btrfs", "block", "ephemeral", "alone"])
def test_an_example_runs(kubectl: Kubectl, name: str) -> None:
    file = {"block": "raw-block.yaml", "alone": "read-write-once-pod.yaml"}.get(
        name, f"{name}.yaml"
    )
    made = kubectl.example(file)
    try:
        kubectl.ready(name)
        (found,) = cluster.volumes(node_of(kubectl, name))
        assert found.startswith("vol-")
        if name != "ephemeral":  # its volume goes with its pod
            is_kept(kubectl, name, file)
    finally:
        kubectl.delete("pod", name)
        for each in made:
            if each["kind"] == "StorageClass":
                kubectl.delete("pvc", name)
                kubectl.delete("storageclass", each["metadata"]["name"])


def is_kept(kubectl: Kubectl, pod: str, file: str) -> None:
    """What a pod has written is there for its successor, on whatever kind of volume."""
    block = pod == "block"
    write = "echo kept | dd of=/dev/data bs=512 seek=8 conv=sync,notrunc,fsync 2>/dev/null"
    kubectl.sh(pod, write if block else "echo kept >> /data/log")
    kubectl.delete("pod", pod)
    kubectl.example(file)
    kubectl.ready(pod)
    read = "dd if=/dev/data bs=512 skip=8 count=1 2>/dev/null | tr -d '\\0'"
    said = kubectl.sh(pod, read if block else "cat /data/log").splitlines()
    assert said == ["kept"] if block else (len(said), said[1]) == (3, "kept")


def test_a_second_pod_waits_for_a_volume_of_one_pod(kubectl: Kubectl) -> None:
    made = kubectl.example("read-write-once-pod.yaml")
    kubectl.ready("alone")
    second = dict(made[1]) | {"metadata": {"name": "second"}}
    kubectl.apply(yaml.safe_dump(second))
    until(
        lambda: any("ReadWriteOncePod" in each for each in kubectl.events("second")),
        "the scheduler says why the second pod waits",
    )
    kubectl.delete("pod", "alone")
    kubectl.ready("second")


def test_a_volume_grows_while_it_is_used(kubectl: Kubectl) -> None:
    kubectl.example("pvc.yaml")
    kubectl.example("pod.yaml")
    kubectl.ready("writer")
    before = int(kubectl.sh("writer", "df -k /data | tail -1 | awk '{print $2}'"))
    kubectl.example("expand.yaml")
    until(
        lambda: kubectl.get("pvc", "data")["status"]["capacity"]["storage"] == "128Mi",
        "the claim has its new size",
    )
    after = int(kubectl.sh("writer", "df -k /data | tail -1 | awk '{print $2}'"))
    assert after > 1.8 * before
    assert len(kubectl.sh("writer", "cat /data/log").splitlines()) == 1, "the pod went on"


def test_a_volume_grows_while_nobody_uses_it(kubectl: Kubectl) -> None:
    kubectl.example("pvc.yaml")
    kubectl.example("pod.yaml")
    kubectl.ready("writer")
    kubectl.delete("pod", "writer")
    kubectl.example("expand.yaml")
    claim = "FileSystemResizePending"
    until(
        lambda: (
            claim in {each["type"] for each in kubectl.get("pvc", "data")["status"]["conditions"]}
            if "conditions" in kubectl.get("pvc", "data")["status"]
            else False
        ),
        "the volume has grown and the filesystem waits for a pod",
    )
    kubectl.example("pod.yaml")
    kubectl.ready("writer")
    size = int(kubectl.sh("writer", "df -k /data | tail -1 | awk '{print $2}'"))
    assert size > 100 * 1024


@pytest.mark.parametrize("number", [0, 1])
def test_a_snapshot_becomes_a_larger_volume_and_a_clone_a_copy(
    kubectl: Kubectl, nodes: list[str], number: int
) -> None:
    kubectl.example("pvc.yaml")
    pod = yaml.safe_load((EXAMPLES / "pod.yaml").read_text())
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": nodes[number]}
    kubectl.apply(yaml.safe_dump(pod))
    kubectl.ready("writer")
    kubectl.example("snapshot.yaml")
    until(
        lambda: kubectl.get("volumesnapshot", "data")["status"]["readyToUse"],
        "the snapshot is ready",
    )
    kubectl.sh("writer", "echo later >> /data/log; sync")
    kubectl.example("restore.yaml")
    kubectl.example("clone.yaml")
    kubectl.ready("restored")
    kubectl.ready("cloned")
    assert node_of(kubectl, "restored") == node_of(kubectl, "cloned") == nodes[number]
    assert "later" not in kubectl.sh("restored", "cat /data/log")
    assert "later" in kubectl.sh("cloned", "cat /data/log")
    size = int(kubectl.sh("restored", "df -k /data | tail -1 | awk '{print $2}'"))
    assert size > 100 * 1024, "the filesystem has the size that was asked for"


def test_wrong_parameters_are_explained_in_an_event(kubectl: Kubectl) -> None:
    (storage_class,) = kubectl.items("storageclasses", "--field-selector=metadata.name=hearth")
    wrong = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "hearth-wrong"},
        "provisioner": storage_class["provisioner"],
        "volumeBindingMode": "Immediate",
        "parameters": {"hearth-csi.io/backend": "hearth", "hearth-csi.io/layuot": "thin"},
    }
    kubectl.apply(yaml.safe_dump(wrong))
    try:
        claim = yaml.safe_load((EXAMPLES / "pvc.yaml").read_text())
        claim["spec"]["storageClassName"] = "hearth-wrong"
        kubectl.apply(yaml.safe_dump(claim))
        said = "parameter 'hearth-csi.io/layuot' is not known"
        until(
            lambda: any(said in each for each in kubectl.events("data")),
            "the event names the parameter",
        )
    finally:
        kubectl.delete("pvc", "data")
        kubectl.delete("storageclass", "hearth-wrong")
