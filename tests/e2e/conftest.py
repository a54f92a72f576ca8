"""One namespace for all tests; after each of them nothing is left anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import cluster
from tests.e2e.kubectl import SYSTEM, Kubectl, Refused, until

NAMESPACE = "hearth-e2e"
IMPORTED = (
    *("pods", "persistentvolumeclaims", "volumesnapshots"),
    *("snapshotreleases", "snapshotimports", "volumereleases", "volumeimports"),
)


@pytest.fixture(scope="session")
def nodes() -> list[str]:
    """The nodes that have storage: kind's control plane is one that runs no pod of ours."""
    system = Kubectl([cluster.TOOL, "kubectl"], SYSTEM)
    found = system.items("pods", "--selector=app.kubernetes.io/component=node")
    return sorted({each["spec"]["nodeName"] for each in found})


@pytest.fixture(scope="session")
def namespace() -> Iterator[Kubectl]:
    """The namespace, made anew."""
    kubectl = Kubectl([cluster.TOOL, "kubectl"], NAMESPACE)
    kubectl.delete("namespace", NAMESPACE)
    make_namespace(kubectl)
    yield kubectl
    kubectl.delete("namespace", NAMESPACE)


def make_namespace(kubectl: Kubectl) -> None:
    """Make it, and wait until pods can run in it."""
    kubectl("create", "namespace", kubectl.namespace)
    until(
        lambda: "default" in kubectl.names("serviceaccounts"), "a service account to run pods with"
    )


@pytest.fixture
def kubectl(namespace: Kubectl, nodes: list[str]) -> Iterator[Kubectl]:
    """The namespace, empty; and afterwards it is empty again, with no volume left on any node."""
    yield namespace
    clear(namespace, "pods", "volumegroupsnapshots", "volumesnapshots", "persistentvolumeclaims")
    until(lambda: not ours(namespace), "no PersistentVolume of Hearth is left")
    for node in nodes:
        until(lambda n=node: not cluster.volumes(n), f"no logical volume is left on {node}")
        assert cluster.mounts(node) == []


def clear(kubectl: Kubectl, *kinds: str) -> None:
    """Delete everything of these kinds, all at once: a snapshot that a claim is made from waits for it."""
    for kind in kinds:
        kubectl("delete", kind, "--all", "--wait=false", "--grace-period=1")
    for kind in kinds:
        until(lambda kind=kind: not kubectl.names(kind), f"no {kind} are left")


def ours(kubectl: Kubectl) -> set[str]:
    """The PersistentVolumes of Hearth."""
    try:
        found = kubectl.items("persistentvolumes")
    except Refused:
        return {"unknown"}
    return {
        each["metadata"]["name"]
        for each in found
        if each["spec"].get("csi", {}).get("driver") == "hearth-csi.io"
    }


@pytest.fixture
def tidy(kubectl: Kubectl, nodes: list[str]) -> Iterator[None]:
    """Nothing of it stays, in the cluster or on the node."""
    yield
    clear(kubectl, *IMPORTED)
    # What failed after it was bound is kept, and would be in the way of every test after it.
    for name in ours(kubectl):
        kubectl.delete("persistentvolume", name)
    left = "umount /run/by-hand; lvm lvremove --quiet --yes hearth/archive hearth/archive-monday"
    for node in nodes:
        cluster.on(node, f"({left}) 2>/dev/null || true")
