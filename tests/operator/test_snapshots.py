"""SnapshotImport and SnapshotRelease; what the snapshot controller and its sidecar do, the test does."""

from __future__ import annotations

from typing import Any

import pytest

from csi.kube.kinds import CONTENT, SNAPSHOT, SNAPSHOT_IMPORT, SNAPSHOT_RELEASE
from drivers.errors import Precondition
from tests.operator.bench import Bench
from tests.operator.snapshots import become_ready, bring_in, give_origin

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def origin(served: Bench) -> Bench:
    """A bench with a claim ``origin``, and classes of snapshots."""
    give_origin(served, "origin")
    return served


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


@pytest.mark.parametrize("leave", [True, False])
def test_a_snapshot_may_be_deleted_if_its_import_says_so(origin: Bench, leave: bool) -> None:
    name = f"leave-{leave}".lower()
    more = {"deletionPolicy": "Delete", "allowDelete": True} if leave else {}
    bring_in(origin, name, **more)
    become_ready(origin, name)
    handle = origin.until(SNAPSHOT_IMPORT, name, "Bound")["status"]["snapshotHandle"]
    if leave:
        origin.node.delete(handle)
    else:
        with pytest.raises(Precondition):
            origin.node.delete(handle)
    assert (name in origin.node.lvs) is not leave


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
