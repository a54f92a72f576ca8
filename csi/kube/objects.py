"""What the operator writes into the API: pure functions, documents in and documents out.

Every name is made of the UID of the resource that wants it, so that whoever repeats a step after a crash
finds what the first try made, and two resources never mean the same object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from csi.kube.client import Object
from csi.kube.kinds import CLAIM, CONTENT, GROUP, SNAPSHOT, VOLUME, Kind
from csi.spec import manage_pb2 as pb

OWNER = f"{GROUP}/owner"
"""The label of what the operator makes: the UID of the resource that wants it."""
PROVISIONER = "pv.kubernetes.io/provisioned-by"
"""By this annotation the provisioner knows whose volume it deletes, should that ever be asked for."""

ACCESS_MODES: Mapping[str, str] = MappingProxyType(
    {
        "ReadWriteOnce": "SINGLE_NODE_MULTI_WRITER",
        "ReadWriteOncePod": "SINGLE_NODE_SINGLE_WRITER",
    }
)
"""Kubernetes' access modes in CSI's words, as the provisioner translates them."""
MODES: Mapping[str, str] = MappingProxyType({"Filesystem": "filesystem", "Block": "block"})


@dataclass(frozen=True, slots=True)
class Adopted:
    """What the node tells of a volume that was adopted."""

    handle: str
    size: int
    fs_type: str


def name_for(uid: str) -> str:
    """What is made for the resource of that UID is called, in the API and by CSI."""
    return f"import-{uid}"


def brought_in(owner: Object, backend: str) -> pb.BroughtIn:
    """How nodes know what was brought in for a resource, in the backend of that name."""
    uid = owner["metadata"]["uid"]
    return pb.BroughtIn(name=name_for(uid), owner=uid, backend=backend)


def volume(
    owner: Object, adopted: Adopted, storage_class: Object, driver: str, topology: str
) -> Object:
    """The PersistentVolume for a VolumeImport, kept for the one claim that it names."""
    spec = owner["spec"]
    uid = owner["metadata"]["uid"]
    source = {"driver": driver, "volumeHandle": adopted.handle}
    if spec["volumeMode"] == "Filesystem":
        source["fsType"] = adopted.fs_type
    at = {"key": topology, "operator": "In", "values": [spec["node"]]}
    document = {
        "capacity": {"storage": str(adopted.size)},
        "accessModes": spec["accessModes"],
        "volumeMode": spec["volumeMode"],
        "persistentVolumeReclaimPolicy": spec["reclaimPolicy"],
        "storageClassName": spec["storageClassName"],
        "claimRef": {"apiVersion": "v1", "kind": CLAIM.name, **_named(spec["claim"])},
        "csi": source,
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [at]}]}},
    }
    if options := storage_class.get("mountOptions"):
        document["mountOptions"] = options
    metadata = {"name": name_for(uid), "annotations": {PROVISIONER: driver}}
    return _document(VOLUME, owner, metadata, document)


def claim(owner: Object, size: int) -> Object:
    """The PersistentVolumeClaim for a VolumeImport, which asks for that one volume."""
    spec = owner["spec"]
    document = {
        "accessModes": spec["accessModes"],
        "volumeMode": spec["volumeMode"],
        "storageClassName": spec["storageClassName"],
        "resources": {"requests": {"storage": str(size)}},
        "volumeName": name_for(owner["metadata"]["uid"]),
    }
    return _document(CLAIM, owner, _named(spec["claim"]), document)


def content(owner: Object, handle: str, driver: str, volume_mode: str) -> Object:
    """The VolumeSnapshotContent for a SnapshotImport, kept for the one VolumeSnapshot that it names."""
    spec = owner["spec"]
    reference = {"apiVersion": SNAPSHOT.api, "kind": SNAPSHOT.name, **_named(spec["snapshot"])}
    document = {
        "driver": driver,
        "deletionPolicy": spec["deletionPolicy"],
        "source": {"snapshotHandle": handle},
        "sourceVolumeMode": volume_mode,
        "volumeSnapshotClassName": spec["snapshotClassName"],
        "volumeSnapshotRef": reference,
    }
    return _document(CONTENT, owner, {"name": name_for(owner["metadata"]["uid"])}, document)


def snapshot(owner: Object) -> Object:
    """The VolumeSnapshot for a SnapshotImport."""
    spec = owner["spec"]
    document = {
        "volumeSnapshotClassName": spec["snapshotClassName"],
        "source": {"volumeSnapshotContentName": name_for(owner["metadata"]["uid"])},
    }
    return _document(SNAPSHOT, owner, _named(spec["snapshot"]), document)


def is_made_for(owner: Object, found: Object) -> bool:
    """Whether the operator made an object for that resource, and no person did."""
    labels = found["metadata"].get("labels") or {}
    return bool(labels.get(OWNER) == owner["metadata"]["uid"])


def node_of(found: Object, topology: str) -> str:
    """The node that a PersistentVolume is on; empty if it does not say."""
    affinity = found["spec"].get("nodeAffinity") or {}
    for term in (affinity.get("required") or {}).get("nodeSelectorTerms") or ():
        for each in term.get("matchExpressions") or ():
            if each["key"] == topology and each.get("values"):
                return str(each["values"][0])
    return ""


def handle_of(found: Object, driver: str) -> str:
    """The id of the driver's volume that a PersistentVolume is; empty if it is another driver's."""
    source = found["spec"].get("csi") or {}
    return str(source["volumeHandle"]) if source.get("driver") == driver else ""


def bound(found: Object | None, volume_name: str) -> bool:
    """Whether a claim is bound to the volume of that name."""
    if found is None or found["spec"].get("volumeName") != volume_name:
        return False
    return (found.get("status") or {}).get("phase") == "Bound"


def is_ready(found: Object) -> bool:
    """Whether a VolumeSnapshot can be restored from."""
    return bool((found.get("status") or {}).get("readyToUse"))


def content_of(found: Object) -> str:
    """The name of the content of a VolumeSnapshot; empty if it has none yet."""
    told = (found.get("status") or {}).get("boundVolumeSnapshotContentName")
    return str(told or found["spec"]["source"].get("volumeSnapshotContentName") or "")


def snapshot_handle_of(found: Object) -> str:
    """The id of the driver's snapshot that a content is; empty if it was not made yet."""
    told = (found.get("status") or {}).get("snapshotHandle")
    return str(told or found["spec"]["source"].get("snapshotHandle") or "")


def users(pods: Any, claim_name: str) -> list[str]:
    """The names of the ``pods`` that have the claim in use, or are about to."""
    return [each["metadata"]["name"] for each in pods if _uses(each, claim_name)]


def _uses(pod: Object, claim_name: str) -> bool:
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return False
    for each in pod["spec"].get("volumes") or ():
        if (each.get("persistentVolumeClaim") or {}).get("claimName") == claim_name:
            return True
        if "ephemeral" in each and f"{pod['metadata']['name']}-{each['name']}" == claim_name:
            return True
    return False


def _named(reference: Mapping[str, str]) -> dict[str, str]:
    return {"namespace": reference["namespace"], "name": reference["name"]}


def _document(kind: Kind, owner: Object, metadata: Mapping[str, Any], spec: Object) -> Object:
    labels = {OWNER: owner["metadata"]["uid"]}
    named = {**metadata, "labels": labels}
    return {"apiVersion": kind.api, "kind": kind.name, "metadata": named, "spec": spec}
