"""PersistentVolumes written from the storage alone, for a cluster that lost them.

What a volume keeps is what its PersistentVolume said when it was made. They are written with the reclaim
policy Retain: whoever restores a cluster deletes nothing by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from csi.spec import manage_pb2 as pb
from drivers.errors import Invalid

ONCE = "ReadWriteOnce"
MODES: Sequence[tuple[str, str]] = (("SINGLE_NODE_SINGLE_WRITER", "ReadWriteOncePod"),)
"""Access modes of CSI that Kubernetes calls otherwise than `ONCE`."""


@dataclass(frozen=True, slots=True)
class Where:
    """The driver and the node that have the volumes; ``storage_class`` is for those that keep none."""

    driver: str
    node: str
    storage_class: str = ""


def persistent_volume(volume: pb.Volume, where: Where) -> Mapping[str, Any]:
    """The manifest. Raises `Invalid` if the class is not known."""
    kept = volume.properties
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": kept.pv_name or f"hearth-{volume.id.rpartition('.')[2]}",
            "annotations": {"pv.kubernetes.io/provisioned-by": where.driver},
        },
        "spec": {
            "capacity": {"storage": str(volume.size)},
            "accessModes": _access_modes(kept.access_modes),
            "volumeMode": "Block" if kept.mode == "block" else "Filesystem",
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": _storage_class(volume, where),
            **_claim(kept),
            "csi": _csi(volume, where),
            "nodeAffinity": _affinity(where),
        },
    }


def rivals(volumes: Iterable[pb.Volume]) -> Mapping[str, Sequence[pb.Volume]]:
    """By claim, volumes of which several were that claim's, one after the other: only one can be again."""
    claimed: dict[str, list[pb.Volume]] = {}
    for each in volumes:
        if each.properties.pvc_name:
            claim = f"{each.properties.pvc_namespace}/{each.properties.pvc_name}"
            claimed.setdefault(claim, []).append(each)
    return {claim: same for claim, same in claimed.items() if len(same) > 1}


def _access_modes(modes: Sequence[str]) -> list[str]:
    words = dict(MODES)
    return sorted({words.get(each, ONCE) for each in modes}) or [ONCE]


def _storage_class(volume: pb.Volume, where: Where) -> str:
    if not (found := volume.properties.storage_class or where.storage_class):
        raise Invalid(f"volume {volume.id} does not keep its class: name one with --storage-class")
    return found


def _claim(kept: pb.Properties) -> Mapping[str, Any]:
    if not kept.pvc_name:
        return {}
    claim = {"namespace": kept.pvc_namespace, "name": kept.pvc_name}
    return {"claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim}}


def _csi(volume: pb.Volume, where: Where) -> Mapping[str, Any]:
    fs_type = {"fsType": volume.properties.fs_type} if volume.properties.fs_type else {}
    return {"driver": where.driver, "volumeHandle": volume.id, **fs_type}


def _affinity(where: Where) -> Mapping[str, Any]:
    node = {"key": f"topology.{where.driver}/node", "operator": "In", "values": [where.node]}
    return {"required": {"nodeSelectorTerms": [{"matchExpressions": [node]}]}}
