"""SnapshotImport and SnapshotRelease; what the snapshot controller and its sidecar do, the test does."""

from __future__ import annotations

from typing import Any

import pytest

from csi.kube.kinds import (
    CONTENT,
    SNAPSHOT,
    SNAPSHOT_CLASS,
    SNAPSHOT_IMPORT,
    SNAPSHOT_RELEASE,
    VOLUME_IMPORT,
)
from tests.operator.bench import DRIVER, Bench

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def origin(served: Bench) -> Bench:
    """A bench with a claim ``origin``, and classes of snapshots."""
    for name, driver in (("hearth", DRIVER), ("foreign", "other.io")):
        if served.gone(SNAPSHOT_CLASS, name):
            document = {
                "apiVersion": SNAPSHOT_CLASS.api,
                "kind": SNAPSHOT_CLASS.name,
                "metadata": {"name": name},
                "driver": driver,
                "deletionPolicy": "Delete",
            }
            served.api.create(SNAPSHOT_CLASS, document)
    served.node.add("origin")
    served.bring_in("origin", "origin")
    served.until(VOLUME_IMPORT, "origin", "Bound")
    return served


def bring_in(bench: Bench, name: str, **more: Any) -> Any:
    """A SnapshotImport of the snapshot of that name."""
    bench.node.add(name, origin="origin")
    spec = {
        "claim": {"namespace": "default", "name": "origin"},
        "source": {"logicalVolume": name},
        "snapshotClassName": "hearth",
        "snapshot": {"namespace": "default", "name": name},
    }
    return bench.create(SNAPSHOT_IMPORT, name, spec | more)


def become_ready(bench: Bench, name: str) -> Any:
    """What the snapshot controller does once it has seen both."""
    bench.eventually(
        lambda: not bench.gone(SNAPSHOT, name, "default"),
        lambda: bench.phase(SNAPSHOT_IMPORT, name),
    )
    found = bench.api.get(SNAPSHOT, name, "default")
    assert found
    content = found["spec"]["source"]["volumeSnapshotContentName"]
    status = {"readyToUse": True, "boundVolumeSnapshotContentName": content}
    bench.api.patch(SNAPSHOT, name, {"status": status}, "default", "status")
    return bench.api.get(CONTENT, content)


def test_a_snapshot_comes_in_and_leaves_again(origin: Bench) -> None:
    bring_in(origin, "monday")
    content = become_ready(origin, "monday")
    done = origin.until(SNAPSHOT_IMPORT, "monday", "Bound")
    assert content["spec"]["source"]["snapshotHandle"] == done["status"]["snapshotHandle"]
    assert content["spec"]["deletionPolicy"] == "Retain"
    assert content["spec"]["sourceVolumeMode"] == "Filesystem"
    assert origin.node.lvs["monday"].owner == done["metadata"]["uid"]

    wanted = {"snapshot": {"namespace": "default", "name": "monday"}, "logicalVolumeName": "back"}
    origin.create(SNAPSHOT_RELEASE, "monday", wanted)
    status = origin.until(SNAPSHOT_RELEASE, "monday", "Released")["status"]
    assert (status["node"], status["logicalVolume"]) == ("n1", "back")
    assert origin.is_plain("back")
    assert origin.gone(SNAPSHOT, "monday", "default")
    assert origin.gone(CONTENT, content["metadata"]["name"])


def test_a_snapshot_that_is_not_ready_is_taken_back(origin: Bench) -> None:
    found = bring_in(origin, "tuesday")
    origin.eventually(lambda: not origin.gone(SNAPSHOT, "tuesday", "default"))
    origin.delete(SNAPSHOT_IMPORT, "tuesday")
    origin.eventually(lambda: origin.gone(SNAPSHOT_IMPORT, "tuesday"))
    assert origin.is_plain("tuesday")
    assert origin.gone(SNAPSHOT, "tuesday", "default")
    assert origin.gone(CONTENT, f"import-{found['metadata']['uid']}")


@pytest.mark.parametrize(
    ("name", "more", "phase"),
    [
        ("wrong-class", {"snapshotClassName": "foreign"}, "Refused ClassMismatch"),
        (
            "no-origin",
            {"claim": {"namespace": "default", "name": "nobody"}},
            "Refused InvalidReference",
        ),
        ("no-such", {"source": {"uuid": "nothing"}}, "Refused InvalidReference"),
    ],
)
def test_what_cannot_be_imported_is_refused(
    origin: Bench, name: str, more: dict[str, Any], phase: str
) -> None:
    bring_in(origin, name, **more)
    origin.until(SNAPSHOT_IMPORT, name, phase)
    assert origin.is_plain(name)
