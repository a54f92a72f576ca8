"""The capabilities Hearth does not have on purpose, and the specs that csi-sanity skips for them.

`docs/reference/csi-sanity.md` gives the reasons; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping

ALWAYS: Mapping[str, frozenset[str]] = {
    "PUBLISH_UNPUBLISH_VOLUME": frozenset(
        {
            "ControllerPublishVolume not supported",
            "Controller Publish, UnpublishVolume not supported",
            "ControllerUnpublishVolume not supported",
            "ControllerPublishVolume.readonly field not supported",
            "testnodevolumeattachlimit not enabled",
        }
    ),
    "MODIFY_VOLUME": frozenset(
        {
            "Modify volume not supported",
            "Modify Volume not supported",
            "ControllerModifyVolume not supported",
        }
    ),
    "SNAPSHOT_ACCESSIBILITY_CONSTRAINTS": frozenset(
        {"SNAPSHOT_ACCESSIBILITY_CONSTRAINTS not supported"}
    ),
}
WITHOUT_ALPHA: Mapping[str, frozenset[str]] = {
    "GET_SNAPSHOT": frozenset({"GetSnapshot not supported"}),
    "GET_VOLUME_HEALTH": frozenset(
        {"ControllerGetVolumeHealth not supported", "NodeGetVolumeHealth not supported"}
    ),
    "LIST_VOLUME_HEALTH": frozenset({"ControllerListVolumeHealth not supported"}),
    "GET_STORAGE_HEALTH": frozenset({"NodeGetStorageHealth not supported"}),
}


WITHOUT_GROUPS: Mapping[str, frozenset[str]] = {
    "GROUP_CONTROLLER_SERVICE": frozenset(
        {"GroupControllerService not supported", "VolumeGroupSnapshots not supported"}
    ),
}


def capabilities(*, alpha: bool, groups: bool) -> Mapping[str, frozenset[str]]:
    """What is absent, with csi-sanity's words for it; ``groups``: whether volumes can be frozen together."""
    absent = ALWAYS if groups else {**ALWAYS, **WITHOUT_GROUPS}
    return absent if alpha else {**absent, **WITHOUT_ALPHA}
