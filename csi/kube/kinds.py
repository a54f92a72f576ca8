"""The kinds of objects that Hearth has to do with, and where the API keeps them."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = "hearth-csi.io"
VERSION = "v1alpha1"


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: ``api`` is its group and version, ``plural`` its name in paths."""

    api: str
    name: str
    plural: str

    def path(self, name: str = "", namespace: str = "", sub: str = "") -> str:
        """Where one is, or all of a namespace, or all."""
        root = "/api" if self.api == "v1" else "/apis"
        parts = [root, self.api, namespace and f"namespaces/{namespace}", self.plural, name, sub]
        return "/".join(part for part in parts if part)


def _ours(name: str) -> Kind:
    return Kind(f"{GROUP}/{VERSION}", name, f"{name.lower()}s")


VOLUME_IMPORT = _ours("VolumeImport")
VOLUME_RELEASE = _ours("VolumeRelease")
SNAPSHOT_IMPORT = _ours("SnapshotImport")
SNAPSHOT_RELEASE = _ours("SnapshotRelease")
BACKEND = _ours("Backend")

VOLUME = Kind("v1", "PersistentVolume", "persistentvolumes")
CLAIM = Kind("v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD = Kind("v1", "Pod", "pods")
NODE = Kind("v1", "Node", "nodes")
EVENT = Kind("v1", "Event", "events")
CLASS = Kind("storage.k8s.io/v1", "StorageClass", "storageclasses")
SNAPSHOT = Kind("snapshot.storage.k8s.io/v1", "VolumeSnapshot", "volumesnapshots")
CONTENT = Kind("snapshot.storage.k8s.io/v1", "VolumeSnapshotContent", "volumesnapshotcontents")
SNAPSHOT_CLASS = Kind("snapshot.storage.k8s.io/v1", "VolumeSnapshotClass", "volumesnapshotclasses")
