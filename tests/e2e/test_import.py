"""What existed before comes in and goes out again: by hand, into a pod, and back, with its bytes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import EXAMPLES, Kubectl, until
from tests.e2e.test_faults import numbered

MAKE = {
    "thick": "lvm lvcreate --quiet --yes --wipesignatures n --size {} --name archive hearth",
    "thin": "lvm lvcreate --quiet --yes --virtualsize {} --thinpool pool --name archive hearth",
}
FILL = """set -e
mkfs.{} -q /dev/mapper/hearth-archive
mkdir -p /run/by-hand; mount /dev/mapper/hearth-archive /run/by-hand
head -c 1000000 /dev/urandom > /run/by-hand/precious
sha256sum < /run/by-hand/precious
umount /run/by-hand"""
LOG = "cat /run/by-hand/log"
CUT = {
    "thick": "lvm lvcreate --quiet --yes --snapshot --size 64m --name archive-monday hearth/archive",
    "thin": "lvm lvcreate --quiet --yes --snapshot --name archive-monday hearth/archive",
}
READ = """set -e
lvm lvchange --quiet --activate y --ignoreactivationskip hearth/archive
mkdir -p /run/by-hand; mount -o ro /dev/mapper/hearth-archive /run/by-hand
sha256sum < /run/by-hand/precious
umount /run/by-hand"""


def of(kind: str, name: str, **changes: Any) -> str:
    """An example of the import folder, in the namespace of the tests."""
    text = (EXAMPLES / "import" / f"{name}.yaml").read_text()
    text = text.replace("namespace: default", "namespace: hearth-e2e").replace(
        "node: n1", "node: {}"
    )
    made = yaml.safe_load(text.replace("{}", changes.pop("node", "n1")))
    assert made["kind"] == kind
    made["spec"].update(changes)
    return yaml.safe_dump(made)


def condition(kubectl: Kubectl, kind: str, name: str, which: str) -> dict[str, Any]:
    found = kubectl.get(kind, name).get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == which), {})


def by_hand(node: str, layout: str, fs_type: str = "ext4", size: str = "64m") -> str:
    """Make a logical volume with a file in it; its digest."""
    cluster.on(node, MAKE[layout].format(size))
    return cluster.on(node, FILL.format(fs_type)).split()[0]


def user(claim: str, script: str) -> str:
    """A pod on the claim."""
    _, pod = yaml.safe_load_all(numbered("user", 0))
    pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = claim
    pod["spec"]["containers"][0]["args"] = [script]
    pod["spec"]["securityContext"] = {}
    return yaml.safe_dump(pod)


def restored(snapshot: str) -> str:
    """A claim restored from a snapshot, and the pod user-1 on it."""
    claim, pod = yaml.safe_load_all(numbered("user", 1))
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": snapshot}
    claim["spec"] |= {"dataSource": source, "storageClassName": "hearth-immediate"}
    claim["spec"]["resources"]["requests"]["storage"] = "64Mi"
    pod["spec"]["securityContext"] = {}
    return yaml.safe_dump_all([claim, pod])


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize(
    ("layout", "fs_type", "size", "larger"),
    [("thick", "ext4", "64m", "128Mi"), ("thin", "xfs", "320m", "400Mi")],
)
def test_a_volume_made_by_hand_becomes_a_claim_and_leaves_again(
    kubectl: Kubectl, nodes: list[str], layout: str, fs_type: str, size: str, larger: str
) -> None:
    node = nodes[0]
    digest = by_hand(node, layout, fs_type, size)
    kubectl.apply(of("VolumeImport", "volume", node=node))
    kubectl("wait", "--for=condition=Bound", "volumeimport/archive", "--timeout=120s")
    kubectl.apply(user("archive", "exec sleep infinity"))
    kubectl.ready("user-0")
    assert digest in kubectl.sh("user-0", "sha256sum /data/precious")
    kubectl.sh("user-0", "echo more > /data/more; sync")
    snapshotted(kubectl)
    grown(kubectl, larger)
    kubectl.apply(of("VolumeRelease", "release"))
    until(
        lambda: condition(kubectl, "volumerelease", "archive", "Checked").get("status") == "False",
        "it is refused while a pod uses it",
    )
    kubectl.delete("pod", "user-0")
    kubectl("wait", "--for=condition=Released", "volumerelease/archive", "--timeout=180s")
    assert "archive" not in kubectl.names("persistentvolumeclaims")
    assert cluster.volumes(node)["archive"] == "", "not one tag is left"
    assert digest in cluster.on(node, READ)
    cluster.on(node, "lvm lvremove --quiet --yes hearth/archive")


def snapshotted(kubectl: Kubectl) -> None:
    """The imported claim is snapshotted as any other, and the snapshot goes again."""
    text = (EXAMPLES / "snapshot.yaml").read_text().replace(": data", ": archive")
    kubectl.apply(text)
    ready = "--for=jsonpath={.status.readyToUse}=true"
    kubectl("wait", ready, "volumesnapshot/archive", "--timeout=60s")
    kubectl.delete("volumesnapshot", "archive")


def grown(kubectl: Kubectl, larger: str) -> None:
    """It grows as any other, while it is in use."""
    patch = {"spec": {"resources": {"requests": {"storage": larger}}}}
    kubectl("patch", "pvc", "archive", "--patch", yaml.safe_dump(patch))
    until(
        lambda: kubectl.get("pvc", "archive")["status"]["capacity"]["storage"] == larger,
        "the claim has its new size",
    )


@pytest.mark.usefixtures("tidy")
def test_a_volume_made_by_hearth_leaves_as_a_plain_one(kubectl: Kubectl) -> None:
    kubectl.example("pvc.yaml")
    kubectl.example("pod.yaml")
    kubectl.ready("writer")
    node = kubectl.get("pod", "writer")["spec"]["nodeName"]
    log = kubectl.sh("writer", "cat /data/log")
    kubectl.delete("pod", "writer")
    claim = {"namespace": kubectl.namespace, "name": "data"}
    kubectl.apply(of("VolumeRelease", "release", claim=claim))
    kubectl("wait", "--for=condition=Released", "volumerelease/archive", "--timeout=180s")
    assert cluster.volumes(node) == {"archive": ""}, "it has its new name, and not one tag"
    assert cluster.on(node, READ.replace("sha256sum < /run/by-hand/precious", LOG)) == log
    cluster.on(node, "lvm lvremove --quiet --yes hearth/archive")


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("layout", CUT)
def test_a_snapshot_made_by_hand_is_restored_and_leaves_again(
    kubectl: Kubectl, nodes: list[str], layout: str
) -> None:
    node = nodes[0]
    digest = by_hand(node, layout)
    cluster.on(node, CUT[layout])
    kubectl.apply(of("VolumeImport", "volume", node=node))
    kubectl("wait", "--for=condition=Bound", "volumeimport/archive", "--timeout=120s")
    kubectl.apply(user("archive", "rm /data/precious; sync; exec sleep infinity"))
    kubectl.ready("user-0")
    kubectl.apply(of("SnapshotImport", "snapshot"))
    kubectl("wait", "--for=condition=Bound", "snapshotimport/archive-monday", "--timeout=120s")
    kubectl.apply(restored("archive-monday"))
    kubectl.ready("user-1")
    assert digest in kubectl.sh("user-1", "sha256sum /data/precious")
    kubectl.apply(of("SnapshotRelease", "snapshot-release"))
    kubectl("wait", "--for=condition=Released", "snapshotrelease/archive-monday", "--timeout=180s")
    assert "archive-monday" not in kubectl.names("volumesnapshots")
    assert cluster.volumes(node)["archive-monday"] == "", "not one tag is left"
    kubectl.delete("pod", "user-0", "user-1")
    cluster.on(node, "lvm lvremove --quiet --yes hearth/archive-monday")


@pytest.mark.usefixtures("tidy")
def test_an_imported_snapshot_is_deleted_where_its_import_allows_it(
    kubectl: Kubectl, nodes: list[str]
) -> None:
    node = nodes[0]
    by_hand(node, "thin")
    cluster.on(node, CUT["thin"])
    kubectl.apply(of("VolumeImport", "volume", node=node))
    kubectl("wait", "--for=condition=Bound", "volumeimport/archive", "--timeout=120s")
    kubectl.apply(of("SnapshotImport", "snapshot", deletionPolicy="Delete", allowDelete=True))
    kubectl("wait", "--for=condition=Bound", "snapshotimport/archive-monday", "--timeout=120s")
    kubectl.delete("volumesnapshot", "archive-monday")
    until(lambda: set(cluster.volumes(node)) == {"archive"}, "the snapshot is gone, alone")


def test_the_overview_has_every_backend(kubectl: Kubectl, nodes: list[str]) -> None:
    until(
        lambda: {f"{node}.hearth" for node in nodes} <= kubectl.names("backends"),
        "each node's backend is there",
    )
    said = kubectl("get", "backends")
    assert "lvm" in said
