"""How the properties of a volume stand among the packed fields of its tags."""

from __future__ import annotations

from collections.abc import Mapping

from drivers.model import Properties, VolumeMode


def of_properties(properties: Properties) -> dict[str, str]:
    """What is written down of them."""
    return {
        "mode": properties.mode.value,
        "fs": properties.fs_type,
        "modes": "+".join(properties.access_modes),
        "ns": properties.pvc_namespace,
        "pvc": properties.pvc_name,
        "pv": properties.pv_name,
        "class": properties.storage_class,
        "mkfs": properties.mkfs_options,
        "image": properties.image,
    }


def properties(fields: Mapping[str, str]) -> Properties:
    """What was written down."""
    return Properties(
        mode=VolumeMode(fields.get("mode", VolumeMode.FILESYSTEM.value)),
        fs_type=fields.get("fs", ""),
        access_modes=tuple(each for each in fields.get("modes", "").split("+") if each),
        pvc_name=fields.get("pvc", ""),
        pvc_namespace=fields.get("ns", ""),
        pv_name=fields.get("pv", ""),
        storage_class=fields.get("class", ""),
        mkfs_options=fields.get("mkfs", ""),
        image=fields.get("image", ""),
    )
