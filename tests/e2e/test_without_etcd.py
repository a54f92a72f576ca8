"""A cluster that has lost all it knew gets its volumes back from the disks of its nodes.

Last of all, since nothing of what the other tests share is left.
"""

from __future__ import annotations

import pytest
import yaml

from tests.e2e import cluster
from tests.e2e.conftest import make_namespace, ours
from tests.e2e.kubectl import EXAMPLES, ROOT, SYSTEM, Kubectl, until

INSTALL = ("helm", "upgrade", "--install", "hearth", str(ROOT / "deploy/helm/hearth-csi"))
WAIT = ("--namespace", SYSTEM, "--create-namespace", "--wait", "--timeout", "300s")


def manifests(node: str) -> str:
    """The PersistentVolumes of a node, as its storage tells them."""
    system = Kubectl([cluster.TOOL, "kubectl"], SYSTEM)
    pods = system.items("pods", "--selector=app.kubernetes.io/component=node")
    (pod,) = [each["metadata"]["name"] for each in pods if each["spec"]["nodeName"] == node]
    return system("exec", pod, "--", "hearth", "volume", "list", "--output", "pv")


def claim_of(name: str) -> str:
    """The claim of an example, without its pod."""
    found = yaml.safe_load_all((EXAMPLES / name).read_text())
    return yaml.safe_dump_all([each for each in found if each["kind"] == "PersistentVolumeClaim"])


@pytest.mark.timeout(900)
def test_volumes_are_rebuilt_from_the_disks_alone(kubectl: Kubectl, nodes: list[str]) -> None:
    for example in ("pvc.yaml", "pod.yaml", "thick.yaml"):
        kubectl.example(example)
    for pod in ("writer", "thick"):
        kubectl.ready(pod)
    before = {pod: kubectl.sh(pod, "cat /data/log") for pod in ("writer", "thick")}
    on_disk = {node: set(cluster.volumes(node)) for node in nodes}
    cluster.tool("forget", timeout=600)
    assert not ours(kubectl), "the cluster knows nothing"
    cluster.tool(*INSTALL, *WAIT, timeout=360)
    make_namespace(kubectl)
    rebuilt = [manifests(node) for node in nodes]
    for text in filter(str.strip, rebuilt):
        kubectl.apply(text)
    for example in ("pvc.yaml", "thick.yaml"):
        kubectl.apply(claim_of(example))
    for example in ("pod.yaml", "thick.yaml"):
        kubectl.example(example)
    for pod in ("writer", "thick"):
        kubectl.ready(pod, 240)
        assert kubectl.sh(pod, "cat /data/log").startswith(before[pod])
    assert {node: set(cluster.volumes(node)) for node in nodes} == on_disk, "none was made anew"
    give_up(kubectl)


def give_up(kubectl: Kubectl) -> None:
    """What was rebuilt is kept when its claim goes, unless somebody says otherwise."""
    for name in ours(kubectl):
        policy = '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'
        kubectl("patch", "persistentvolume", name, "--patch", policy)
    kubectl.delete("pods", "writer", "thick")
    kubectl.delete("persistentvolumeclaims", "data", "thick")
    until(lambda: not ours(kubectl), "the volumes go as any others")
