"""What must not come in: it is refused by a reason, and neither a byte nor a tag of it changes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import Kubectl, until
from tests.e2e.test_import import MAKE, by_hand, condition, of

ELSEWHERE = """set -e
truncate --size 160M /run/other.img
lvm vgcreate --quiet other "$(losetup --find --show /run/other.img)" >/dev/null
lvm lvcreate --quiet --yes --wipesignatures n --size 64m --name archive other >/dev/null
mkfs.ext4 -q /dev/mapper/other-archive
lvm lvs --noheadings --options lv_uuid other/archive"""
LOOK = """lvm lvs --noheadings --options lv_uuid,lv_name,lv_tags other
sha256sum < /dev/mapper/other-archive"""
NOWHERE = """lvm vgremove --quiet --yes --force --force other
losetup --detach "$(losetup --noheadings --output NAME --associated /run/other.img)"
rm /run/other.img"""


def checked(kubectl: Kubectl, name: str) -> str:
    """Why an import does not go on."""
    found = condition(kubectl, "volumeimport", name, "Checked")
    return str(found["reason"]) if found.get("status") == "False" else ""


def content(node: str) -> str:
    """Every name and tag of the group, and the digest of every byte of the logical volume, if it is there."""
    tags = cluster.lvm(node, "lvs", "--all", "--options=lv_name,lv_uuid,lv_tags")
    device = "/dev/mapper/hearth-archive"
    return tags + cluster.on(node, f"[ ! -e {device} ] || sha256sum < {device}")


REFUSED = {
    "absent": ("", {}, "InvalidReference"),
    "pool": ("", {"logicalVolume": "pool"}, "Pool"),
    "filesystem": ("mkfs.vfat {} >/dev/null || mkswap -q {}", {}, "FilesystemUnknown"),
    # Read-only: who is mounted otherwise writes by itself now and then.
    "open": ("mkfs.ext4 -q {}; mkdir -p /run/by-hand; mount -o ro {} /run/by-hand", {}, "InUse"),
}


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_come_in_is_refused_and_nothing_of_it_changed(
    kubectl: Kubectl, nodes: list[str], what: str
) -> None:
    node, (script, source, reason) = nodes[0], REFUSED[what]
    device = "/dev/mapper/hearth-archive"
    if script:
        cluster.on(node, f"{MAKE['thick'].format('64m')}; {script.replace('{}', device)}")
    before = content(node)
    named = {"volumeGroup": "hearth", "logicalVolume": "archive", **source}
    kubectl.apply(of("VolumeImport", "volume", node=node, source=named))
    until(lambda: checked(kubectl, "archive") == reason, f"it is refused with {reason}")
    kubectl.delete("volumeimport", "archive")
    assert "archive" not in kubectl.names("persistentvolumeclaims")
    assert content(node) == before
    cluster.on(node, "umount /run/by-hand 2>/dev/null || true")


@pytest.fixture
def elsewhere(nodes: list[str]) -> Iterator[str]:
    """A logical volume in a volume group that no backend names; its UUID."""
    yield cluster.on(nodes[0], ELSEWHERE).split()[-1]
    cluster.on(nodes[0], NOWHERE)


@pytest.mark.usefixtures("tidy")
@pytest.mark.parametrize("by", ["name", "uuid"])
def test_what_is_in_a_group_of_no_backend_is_left_alone(
    kubectl: Kubectl, nodes: list[str], elsewhere: str, by: str
) -> None:
    node, before = nodes[0], cluster.on(nodes[0], LOOK)
    named = {"volumeGroup": "other", "logicalVolume": "archive"}
    source, reason = {
        "name": (named, "ClassMismatch"),
        "uuid": ({"uuid": elsewhere}, "InvalidReference"),
    }[by]
    kubectl.apply(of("VolumeImport", "volume", node=node, source=source))
    until(lambda: checked(kubectl, "archive") == reason, f"it is refused with {reason}")
    kubectl.delete("volumeimport", "archive")
    assert cluster.on(node, LOOK) == before


@pytest.mark.usefixtures("tidy")
def test_of_two_imports_of_one_volume_the_first_has_it(kubectl: Kubectl, nodes: list[str]) -> None:
    by_hand(nodes[0], "thick")
    kubectl.apply(of("VolumeImport", "volume", node=nodes[0]))
    kubectl("wait", "--for=condition=Bound", "volumeimport/archive", "--timeout=120s")
    before = content(nodes[0])
    claim = {"namespace": kubectl.namespace, "name": "second"}
    second = yaml.safe_load(of("VolumeImport", "volume", node=nodes[0], claim=claim))
    second["metadata"]["name"] = "second"
    kubectl.apply(yaml.safe_dump(second))
    until(lambda: checked(kubectl, "second") == "AlreadyManaged", "somebody has it")
    kubectl.delete("volumeimport", "second")
    assert content(nodes[0]) == before
    kubectl.apply(of("VolumeRelease", "release"))
    kubectl("wait", "--for=condition=Released", "volumerelease/archive", "--timeout=180s")
    cluster.on(nodes[0], "lvm lvremove --quiet --yes hearth/archive")
