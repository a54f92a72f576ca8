"""VolumeRelease: a claim's volume becomes a plain logical volume again, or it is said why not."""

from __future__ import annotations

from typing import Any

import pytest

from csi.kube.kinds import CLAIM, VOLUME, VOLUME_IMPORT, VOLUME_RELEASE
from tests.operator.bench import Bench, pod, why

pytestmark = pytest.mark.timeout(300)


def imported(bench: Bench, name: str, **facts: Any) -> Any:
    """A logical volume that is a claim by now."""
    bench.node.add(name, **facts)
    bench.bring_in(name, name)
    return bench.until(VOLUME_IMPORT, name, "Bound")


def test_what_was_imported_leaves_as_it_came(served: Bench) -> None:
    done = imported(served, "released")
    served.let_go("released", "released", logicalVolumeName="plain")
    status = served.until(VOLUME_RELEASE, "released", "Released")["status"]
    assert (status["node"], status["volumeGroup"], status["logicalVolume"]) == (
        "n1",
        "vg0",
        "plain",
    )
    assert status["uuid"] == served.node.lvs["plain"].uuid
    assert served.is_plain("plain")
    assert served.gone(CLAIM, "released", "default")
    assert served.gone(VOLUME, done["status"]["persistentVolume"])


def test_a_claim_that_a_pod_uses_is_not_released(served: Bench) -> None:
    imported(served, "used")
    before = served.node.lvs["used"].id
    pod(served, "user", "used")
    served.let_go("used", "used")
    found = served.until(VOLUME_RELEASE, "used", "Refused InUse")
    assert "user" in why(found)
    assert served.node.lvs["used"].id == before
    assert served.claim("used")["status"]["phase"] == "Bound"
    assert "InUse" in served.plane.kubectl("get", "events", "--namespace=default")


def test_a_volume_with_snapshots_is_not_released(served: Bench) -> None:
    imported(served, "snapped")
    handle = served.node.lvs["snapped"].id
    served.node.add("snapped-snap", origin="snapped", id="BACKEND1.snap", owner="x")
    served.let_go("snapped", "snapped")
    served.until(VOLUME_RELEASE, "snapped", "Refused HasSnapshots")
    assert served.node.lvs["snapped"].id == handle
    assert served.claim("snapped")["status"]["phase"] == "Bound"


def test_a_release_that_is_deleted_in_time_changes_nothing(served: Bench) -> None:
    imported(served, "stays")
    pod(served, "stayer", "stays")
    served.let_go("stays", "stays")
    served.until(VOLUME_RELEASE, "stays", "Refused InUse")
    served.delete(VOLUME_RELEASE, "stays")
    served.eventually(lambda: served.gone(VOLUME_RELEASE, "stays"))
    assert served.claim("stays")["status"]["phase"] == "Bound"
