"""What existed before comes in and goes out again: by hand, into a pod, and back, with its bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import EXAMPLES, Kubectl, until
from tests.e2e.test_faults import numbered

MAKE = {
    "thick": "lvm lvcreate --quiet --yes --wipesignatures n --size 64m --name archive hearth",
    "thin": "lvm lvcreate --quiet --yes --virtualsize 64m --thinpool pool --name archive hearth",
}
FILL = """set -e
mkfs.ext4 -q /dev/mapper/hearth-archive
mkdir -p /run/by-hand; mount /dev/mapper/hearth-archive /run/by-hand
head -c 1000000 /dev/urandom > /run/by-hand/precious
sha256sum < /run/by-hand/precious
umount /run/by-hand"""
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


def by_hand(node: str, layout: str) -> str:
    """Make a logical volume with a file in it; its digest."""
    cluster.on(node, MAKE[layout])
    return cluster.on(node, FILL).split()[0]


@pytest.fixture
def tidy(kubectl: Kubectl, nodes: list[str]) -> Iterator[None]:
    """Nothing of it stays, in the cluster or on the node."""
    yield
    for kind in ("volumereleases", "volumeimports"):
        for name in kubectl.names(kind):
            kubectl.delete(kind, name)
    cluster.on(nodes[0], "lvm lvremove --quiet --yes hearth/archive 2>/dev/null || true")


def user(claim: str, script: str) -> str:
    """A pod on the claim."""
    _, pod = yaml.safe_load_all(numbered("user", 0))
    pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"] = claim
    pod["spec"]["containers"][0]["args"] = [script]
    pod["spec"]["securityContext"] = {}
    return yaml.safe_dump(pod)


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("layout", ["thick", "thin"])
def test_a_volume_made_by_hand_becomes_a_claim_and_leaves_again(
    kubectl: Kubectl, nodes: list[str], layout: str
) -> None:
    node = nodes[0]
    digest = by_hand(node, layout)
    kubectl.apply(of("VolumeImport", "volume", node=node))
    kubectl("wait", "--for=condition=Bound", "volumeimport/archive", "--timeout=120s")
    kubectl.apply(user("archive", "exec sleep infinity"))
    kubectl.ready("user-0")
    assert digest in kubectl.sh("user-0", "sha256sum /data/precious")
    kubectl.sh("user-0", "echo more > /data/more; sync")
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


@pytest.mark.usefixtures("tidy")
def test_what_is_open_or_absent_is_refused_and_nothing_changed(
    kubectl: Kubectl, nodes: list[str]
) -> None:
    node = nodes[0]
    kubectl.apply(of("VolumeImport", "volume", node=node))
    until(
        lambda: (
            condition(kubectl, "volumeimport", "archive", "Checked").get("reason")
            == "InvalidReference"
        ),
        "there is no such volume",
    )
    by_hand(node, "thick")
    cluster.on(node, "mount /dev/mapper/hearth-archive /run/by-hand")
    until(
        lambda: condition(kubectl, "volumeimport", "archive", "Checked").get("reason") == "InUse",
        "it is mounted",
        180,
    )
    assert cluster.volumes(node)["archive"] == ""
    cluster.on(node, "umount /run/by-hand")
    kubectl.delete("volumeimport", "archive")
    assert cluster.volumes(node)["archive"] == ""
    cluster.on(node, "lvm lvremove --quiet --yes hearth/archive")


def test_the_overview_has_every_backend(kubectl: Kubectl, nodes: list[str]) -> None:
    until(
        lambda: {f"{node}.hearth" for node in nodes} <= kubectl.names("backends"),
        "each node's backend is there",
    )
    said = kubectl("get", "backends")
    assert "lvm" in said
