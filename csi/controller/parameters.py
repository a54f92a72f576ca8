"""What a StorageClass or VolumeSnapshotClass may say, key by key.

A key that is not known is refused, never ignored: a misspelt layout would give another volume than
its user believes in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from csi.controller.access import filesystem
from drivers.errors import Invalid
from drivers.interface import VolumeDriver
from drivers.model import FsType

OURS = "hearth-csi.io/"
BACKEND = f"{OURS}backend"
MKFS_OPTIONS = f"{OURS}mkfs-options"
CLASS = f"{OURS}class"

KUBERNETES = "csi.storage.k8s.io/"
FS_TYPE = f"{KUBERNETES}fstype"
# The sidecars send these with --extra-create-metadata.
PVC_NAME = f"{KUBERNETES}pvc/name"
PVC_NAMESPACE = f"{KUBERNETES}pvc/namespace"
PV_NAME = f"{KUBERNETES}pv/name"
SNAPSHOT_LABELS = tuple(
    f"{KUBERNETES}{each}"
    for each in ("volumesnapshot/name", "volumesnapshot/namespace", "volumesnapshotcontent/name")
)
GROUP_SNAPSHOT_LABELS = tuple(
    f"{KUBERNETES}{each}"
    for each in (
        "volumegroupsnapshot/name",
        "volumegroupsnapshot/namespace",
        "volumegroupsnapshotcontent/name",
    )
)
# A field of a VolumeGroupSnapshotClass, which the snapshotter heeds. Kubernetes' own tests of drivers have it
# among the parameters too, where it says nothing.
DELETION_POLICY = "deletionPolicy"

GENERAL = (BACKEND, MKFS_OPTIONS, CLASS, FS_TYPE, PVC_NAME, PVC_NAMESPACE, PV_NAME)
# A backend keeps the options with the volume: in LVM as part of a tag, which is short.
MKFS_OPTIONS_BYTES = 256


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a volume, checked. ``options`` are the driver's own, without prefix."""

    options: Mapping[str, str]
    fs_type: FsType | None
    mkfs_options: str
    storage_class: str
    pvc_name: str
    pvc_namespace: str
    pv_name: str


def parse(raw: Mapping[str, str], driver: type[VolumeDriver]) -> Parameters:
    """``raw`` as a backend of ``driver`` takes it.

    Raises `Invalid` for a key that is not known, with those that are, and for a value that is not
    allowed, with those that are.
    """
    own = {OURS + name: name for name in driver.PARAMETERS}
    _refuse_unknown(raw, (*GENERAL, *own))
    return Parameters(
        options={name: _allowed(key, raw[key], driver) for key, name in own.items() if key in raw},
        fs_type=filesystem(raw[FS_TYPE]) if raw.get(FS_TYPE) else None,
        mkfs_options=_mkfs_options(raw.get(MKFS_OPTIONS, "")),
        storage_class=raw.get(CLASS, ""),
        pvc_name=raw.get(PVC_NAME, ""),
        pvc_namespace=raw.get(PVC_NAMESPACE, ""),
        pv_name=raw.get(PV_NAME, ""),
    )


def snapshot_labels(raw: Mapping[str, str]) -> Mapping[str, str]:
    """What is kept with a snapshot: the sidecar's metadata, without Kubernetes' prefix.

    Raises `Invalid` for any other key.
    """
    _refuse_unknown(raw, SNAPSHOT_LABELS)
    return {key.removeprefix(KUBERNETES): value for key, value in raw.items()}


def group_snapshot_labels(raw: Mapping[str, str]) -> Mapping[str, str]:
    """As `snapshot_labels`, of a group snapshot; they are kept with each of its members."""
    meant = {key: value for key, value in raw.items() if key != DELETION_POLICY}
    _refuse_unknown(meant, GROUP_SNAPSHOT_LABELS)
    return {key.removeprefix(KUBERNETES): value for key, value in meant.items()}


def refuse_mutable(raw: Mapping[str, str]) -> None:
    """Raise `Invalid` for any parameter of a VolumeAttributesClass: no volume can be modified so."""
    if raw:
        raise Invalid(
            f"mutable parameter {min(raw)!r} is not known; there are none: take it out of the"
            " VolumeAttributesClass"
        )


def _refuse_unknown(raw: Mapping[str, str], known: Sequence[str]) -> None:
    if unknown := sorted(set(raw) - set(known)):
        raise Invalid(f"parameter {unknown[0]!r} is not known; known are: {', '.join(known)}")


def _allowed(key: str, value: str, driver: type[VolumeDriver]) -> str:
    values = driver.PARAMETERS[key.removeprefix(OURS)]
    if values and value not in values:
        raise Invalid(f"parameter {key}: {value!r} is not allowed; allowed: {', '.join(values)}")
    return value


def _mkfs_options(text: str) -> str:
    # What they say is checked where the filesystem is known.
    if (size := len(text.encode())) > MKFS_OPTIONS_BYTES:
        raise Invalid(
            f"parameter {MKFS_OPTIONS} has {size} bytes, at most {MKFS_OPTIONS_BYTES} fit"
        )
    return text
