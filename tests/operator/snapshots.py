"""What a test of snapshots needs: classes, an origin, and what the snapshot controller does."""

from __future__ import annotations

from typing import Any

from csi.kube.kinds import CONTENT, SNAPSHOT, SNAPSHOT_CLASS, SNAPSHOT_IMPORT, VOLUME_IMPORT
from tests.operator.bench import DRIVER, Bench


def give_origin(bench: Bench, name: str) -> None:
    """A claim of that name, by the operator that runs, and classes of snapshots."""
    for each, driver in (("hearth", DRIVER), ("foreign", "other.io")):
        if bench.gone(SNAPSHOT_CLASS, each):
            document = {
                "apiVersion": SNAPSHOT_CLASS.api,
                "kind": SNAPSHOT_CLASS.name,
                "metadata": {"name": each},
                "driver": driver,
                "deletionPolicy": "Delete",
            }
            bench.api.create(SNAPSHOT_CLASS, document)
    bench.node.add(name)
    bench.bring_in(name, name)
    bench.until(VOLUME_IMPORT, name, "Bound")


def bring_in(bench: Bench, name: str, origin: str = "origin", **more: Any) -> Any:
    """A SnapshotImport of the snapshot of that name."""
    bench.node.add(name, origin=origin)
    spec = {
        "claim": {"namespace": "default", "name": origin},
        "source": {"logicalVolume": name},
        "snapshotClassName": "hearth",
        "snapshot": {"namespace": "default", "name": name},
    }
    return bench.create(SNAPSHOT_IMPORT, name, spec | more)


def has_content(bench: Bench, name: str) -> bool:
    """Whether a VolumeSnapshot and its content are there."""
    found = bench.api.get(SNAPSHOT, name, "default")
    return found is not None and not bench.gone(CONTENT, content_of(found))


def become_ready(bench: Bench, name: str) -> Any:
    """What the snapshot controller does once it has seen both."""
    bench.eventually(lambda: has_content(bench, name), lambda: bench.phase(SNAPSHOT_IMPORT, name))
    found = bench.api.get(SNAPSHOT, name, "default")
    assert found
    content = content_of(found)
    reference = {"volumeSnapshotRef": {"uid": found["metadata"]["uid"]}}
    bench.api.patch(CONTENT, content, {"spec": reference})
    status = {"readyToUse": True, "boundVolumeSnapshotContentName": content}
    bench.api.patch(SNAPSHOT, name, {"status": status}, "default", "status")
    return bench.api.get(CONTENT, content)


def content_of(found: Any) -> str:
    """The content that a VolumeSnapshot asks for."""
    return str(found["spec"]["source"]["volumeSnapshotContentName"])
