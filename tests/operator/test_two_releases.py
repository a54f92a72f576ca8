"""Two releases of one claim: exactly one wins, and the other says who."""

from __future__ import annotations

from typing import Any

import pytest

from csi.kube.kinds import (
    CONTENT,
    SNAPSHOT,
    SNAPSHOT_RELEASE,
    VOLUME,
    VOLUME_RELEASE,
    Kind,
)
from csi.kube.retaining import BEFORE, KEEPER
from tests.operator.bench import Bench, pod, why
from tests.operator.owned import DESTROY, bound_claim, policy, ready_snapshot

pytestmark = pytest.mark.timeout(1200)


def has_begun(bench: Bench, *names: str) -> bool:
    return all(bench.status(VOLUME_RELEASE, each).get("begun") for each in names)


def phases(bench: Bench) -> list[str]:
    return [bench.phase(VOLUME_RELEASE, each) for each in ("both-1", "both-2")]


def marks(bench: Bench, kind: Kind, name: str) -> tuple[str, str]:
    """Who has it retained, and what it said before."""
    found = bench.api.get(kind, name) or {"metadata": {}}
    annotations = found["metadata"].get("annotations") or {}
    return annotations.get(KEEPER, ""), annotations.get(BEFORE, "")


def of_both(bench: Bench, kind: Kind, *names: str) -> tuple[Any, Any]:
    """The one that has won, and the other, once both have ended."""

    def ends() -> list[str]:
        return sorted(bench.phase(kind, each) for each in names)

    bench.eventually(lambda: ends() == ["Refused AlreadyReleased", "Released"], ends)
    found = [bench.api.get(kind, each) or {} for each in names]
    loser, winner = sorted(found, key=lambda each: str(each["status"]["phase"]))
    return winner, loser


def test_of_two_that_have_begun_exactly_one_wins(idle: Bench) -> None:
    volume = bound_claim(idle, "both", **DESTROY)
    idle.let_go("both-1", "both", logicalVolumeName="both-1")
    idle.live_for(1, lambda: has_begun(idle, "both-1"))
    assert policy(idle, VOLUME, volume) == "Delete"
    # The other was checked at the same moment.
    idle.let_go("both-2", "both", logicalVolumeName="both-2")
    status = idle.status(VOLUME_RELEASE, "both-1") | {"logicalVolume": "both-2"}
    idle.api.patch(VOLUME_RELEASE, "both-2", {"status": status}, sub="status")
    idle.lives = 0
    # One change a life: any may come between any two of the other's.
    idle.live_for(1, lambda: "Released" in phases(idle))
    idle.start()
    winner, loser = of_both(idle, VOLUME_RELEASE, "both-1", "both-2")
    name, uid = winner["metadata"]["name"], winner["metadata"]["uid"]
    assert winner["status"]["logicalVolume"] == name
    assert idle.is_plain(name)
    assert f"VolumeRelease {name} ({uid})" in why(loser)
    assert loser["metadata"]["name"] not in idle.node.lvs
    idle.delete(VOLUME_RELEASE, loser["metadata"]["name"])
    idle.eventually(lambda: idle.gone(VOLUME_RELEASE, loser["metadata"]["name"]), idle.log)
    assert idle.is_plain(name)


def test_the_second_waits_for_the_first_and_takes_nothing_back_from_it(idle: Bench) -> None:
    volume = bound_claim(idle, "one", **DESTROY)
    first = idle.let_go("one-1", "one")
    idle.live_for(1, lambda: policy(idle, VOLUME, volume) == "Retain")
    pod(idle, "one", "one")
    idle.let_go("one-2", "one")
    idle.start()
    idle.until(VOLUME_RELEASE, "one-1", "Refused InUse")
    uid = first["metadata"]["uid"]
    told = why(idle.until(VOLUME_RELEASE, "one-2", "Refused AlreadyReleased"))
    assert f"VolumeRelease one-1 ({uid})" in told
    idle.delete(VOLUME_RELEASE, "one-2")
    idle.eventually(lambda: idle.gone(VOLUME_RELEASE, "one-2"), idle.log)
    assert policy(idle, VOLUME, volume) == "Retain"
    assert marks(idle, VOLUME, volume) == (uid, "Delete")
    idle.delete(VOLUME_RELEASE, "one-1")
    idle.eventually(lambda: idle.gone(VOLUME_RELEASE, "one-1"), idle.log)
    assert policy(idle, VOLUME, volume) == "Delete"
    assert marks(idle, VOLUME, volume) == ("", "")
    assert idle.claim("one")["status"]["phase"] == "Bound"


def test_who_comes_late_is_told_who_has_released_it(idle: Bench) -> None:
    bound_claim(idle, "late")
    idle.start()
    idle.let_go("late-1", "late")
    idle.until(VOLUME_RELEASE, "late-1", "Released")
    idle.let_go("late-2", "late")
    told = why(idle.until(VOLUME_RELEASE, "late-2", "Refused AlreadyReleased"))
    assert "VolumeRelease late-1" in told


def test_who_has_retained_it_and_is_gone_stands_in_nobodys_way(idle: Bench) -> None:
    volume = bound_claim(idle, "left")
    gone = {"annotations": {KEEPER: "somebody", BEFORE: "Delete"}}
    idle.api.patch(VOLUME, volume, {"metadata": gone})
    idle.start()
    idle.let_go("left", "left")
    idle.until(VOLUME_RELEASE, "left", "Released")
    assert idle.gone(VOLUME, volume)


def test_what_was_let_go_of_under_another_name_is_told_as_it_is(idle: Bench) -> None:
    volume = bound_claim(idle, "moved")
    idle.let_go("moved", "moved", logicalVolumeName="wanted")
    idle.live_for(1, lambda: idle.status(VOLUME_RELEASE, "moved").get("releasing"))
    assert idle.gone(VOLUME, volume)
    # Somebody on the node is faster.
    lv = idle.node.lvs.pop("moved")
    idle.node.add("elsewhere").uuid = lv.uuid
    idle.start()
    status = idle.until(VOLUME_RELEASE, "moved", "Released")["status"]
    assert (status["logicalVolume"], status["uuid"]) == ("elsewhere", lv.uuid)


def test_of_two_releases_of_a_snapshot_one_wins(idle: Bench) -> None:
    content = ready_snapshot(idle, "cut")
    for each in ("cut-1", "cut-2"):
        wanted = {"snapshot": {"namespace": "default", "name": "cut"}, "logicalVolumeName": each}
        idle.create(SNAPSHOT_RELEASE, each, wanted)
    idle.start()
    winner, loser = of_both(idle, SNAPSHOT_RELEASE, "cut-1", "cut-2")
    assert idle.is_plain(winner["metadata"]["name"])
    assert f"SnapshotRelease {winner['metadata']['name']} (" in why(loser)
    assert idle.gone(SNAPSHOT, "cut", "default")
    assert idle.gone(CONTENT, content)


def test_what_a_person_has_set_since_is_not_undone_by_the_next_release(idle: Bench) -> None:
    volume = bound_claim(idle, "mine", **DESTROY)
    idle.let_go("mine-1", "mine")
    idle.live_for(1, lambda: policy(idle, VOLUME, volume) == "Retain")
    # An administrator sets it by hand, and the other way once the release is gone.
    idle.api.patch(VOLUME, volume, {"spec": {"persistentVolumeReclaimPolicy": "Delete"}})
    idle.delete(VOLUME_RELEASE, "mine-1")
    idle.start()
    idle.eventually(lambda: idle.gone(VOLUME_RELEASE, "mine-1"), idle.log)
    assert policy(idle, VOLUME, volume) == "Delete"
    assert marks(idle, VOLUME, volume) == ("", "")
    idle.api.patch(VOLUME, volume, {"spec": {"persistentVolumeReclaimPolicy": "Retain"}})
    idle.kill()
    idle.let_go("mine-2", "mine")
    idle.lives = 0
    idle.live_for(1, lambda: has_begun(idle, "mine-2"))
    idle.delete(VOLUME_RELEASE, "mine-2")
    idle.start()
    idle.eventually(lambda: idle.gone(VOLUME_RELEASE, "mine-2"), idle.log)
    assert policy(idle, VOLUME, volume) == "Retain"
