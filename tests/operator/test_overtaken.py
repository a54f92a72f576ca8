"""A release removes the claim and the volume that it has checked, and nothing that came in their place."""

from __future__ import annotations

from typing import Any

import pytest

from csi.kube.kinds import CLAIM, VOLUME, VOLUME_IMPORT, VOLUME_RELEASE
from csi.kube.objects import name_for
from tests.operator.bench import CLASS_NAME, Bench, why

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def bound(idle: Bench, request: pytest.FixtureRequest) -> tuple[Bench, str, str]:
    """A bench without an operator, a claim of its own for each test, and the claim's volume."""
    name = f"claim-{abs(hash(request.node.name)) % 10**6}"
    idle.node.add(name)
    found = idle.bring_in(name, name)
    idle.start()
    idle.until(VOLUME_IMPORT, name, "Bound")
    idle.kill()
    return idle, name, name_for(found["metadata"]["uid"])


def move(bench: Bench, name: str, volume: str, to: str) -> None:
    """What an administrator does to give a retained volume to another claim."""
    bench.delete(CLAIM, name, "default")
    bench.eventually(lambda: bench.claim(name) is None)
    bench.api.patch(VOLUME, volume, {"spec": {"claimRef": None}})
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": CLASS_NAME,
        "volumeName": volume,
    }
    bench.create(CLAIM, to, spec, "default")
    is_bound(bench, to)


def is_bound(bench: Bench, claim: str) -> None:
    bench.eventually(lambda: (bench.claim(claim).get("status") or {}).get("phase") == "Bound")


def test_a_rehearsal_begins_nothing(bound: tuple[Bench, str, str]) -> None:
    bench, name, volume = bound
    bench.let_go(name, name, dryRun=True)
    bench.start()
    bench.until(VOLUME_RELEASE, name, "Checked")
    move(bench, name, volume, f"{name}-other")
    bench.api.patch(VOLUME_RELEASE, name, {"spec": {"dryRun": False}})
    bench.until(VOLUME_RELEASE, name, "Refused InvalidReference")
    assert not bench.gone(VOLUME, volume)
    is_bound(bench, f"{name}-other")
    assert not bench.is_plain(name)


@pytest.mark.parametrize("same", [False, True])
def test_a_volume_that_another_claim_has_by_now_is_left_alone(
    bound: tuple[Bench, str, str], same: bool
) -> None:
    bench, name, volume = bound
    bench.let_go(name, name)
    bench.live_for(1, lambda: bench.status(VOLUME_RELEASE, name).get("begun"))
    other = name if same else f"{name}-other"
    move(bench, name, volume, other)
    bench.start()
    found = bench.until(VOLUME_RELEASE, name, "Refused NotOurs")
    assert volume in why(found)
    assert not bench.gone(VOLUME, volume)
    bench.delete(VOLUME_RELEASE, name)
    bench.eventually(lambda: bench.gone(VOLUME_RELEASE, name), bench.log)
    is_bound(bench, other)
    assert not bench.is_plain(name)


def test_what_was_wiped_meanwhile_was_not_released(bound: tuple[Bench, str, str]) -> None:
    bench, name, volume = bound
    bench.let_go(name, name)
    bench.live_for(1, lambda: bench.gone(VOLUME, volume))
    del bench.node.lvs[name]
    bench.start()
    found = bench.until(VOLUME_RELEASE, name, "Refused Lost")
    assert "went before" in why(found)
    bench.delete(VOLUME_RELEASE, name)
    bench.eventually(lambda: bench.gone(VOLUME_RELEASE, name), bench.log)


def test_what_hearth_made_leaves_too(idle: Bench) -> None:
    made = idle.node.add("pvc-1", id="BACKEND1.made", csi_name="pvc-1")
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "persistentVolumeReclaimPolicy": "Delete",
        "storageClassName": CLASS_NAME,
        "claimRef": {"namespace": "default", "name": "made"},
        "csi": {"driver": "hearth-csi.io", "volumeHandle": made.id, "fsType": "ext4"},
    }
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": CLASS_NAME,
        "volumeName": "pvc-1",
    }
    idle.create(VOLUME, "pvc-1", volume)
    idle.create(CLAIM, "made", claim, "default")
    is_bound(idle, "made")
    idle.let_go("made", "made", logicalVolumeName="plain")
    idle.live_for(1, lambda: idle.phase(VOLUME_RELEASE, "made") == "Released")
    status = idle.status(VOLUME_RELEASE, "made")
    assert (status["logicalVolume"], status["uuid"]) == ("plain", made.uuid)
    assert status["reclaimPolicy"] == "Delete"
    assert idle.is_plain("plain")
    assert idle.gone(VOLUME, "pvc-1")
    assert idle.claim("made") is None
