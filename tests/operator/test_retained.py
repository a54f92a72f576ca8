"""Whatever becomes of a release that was begun: nobody finds its claim gone and its volume to be wiped."""

from __future__ import annotations

import pytest

from csi.kube.kinds import CLAIM, CONTENT, SNAPSHOT, SNAPSHOT_RELEASE, VOLUME, VOLUME_RELEASE
from tests.operator.bench import Bench, pod
from tests.operator.owned import DESTROY, bound_claim, policy, ready_snapshot

pytestmark = pytest.mark.timeout(1200)


def test_one_that_is_refused_after_it_has_begun_has_retained_the_volume(idle: Bench) -> None:
    volume = bound_claim(idle, "rushed", **DESTROY)
    idle.let_go("rushed", "rushed")
    idle.live_for(1, lambda: idle.status(VOLUME_RELEASE, "rushed").get("begun"))
    assert policy(idle, VOLUME, volume) == "Delete"
    pod(idle, "rushed", "rushed")
    idle.start()
    idle.until(VOLUME_RELEASE, "rushed", "Refused InUse")
    # Now somebody who wants it out loses patience, and the provisioner looks at what is left.
    idle.delete(CLAIM, "rushed", "default")
    idle.eventually(lambda: idle.claim("rushed") is None)
    assert policy(idle, VOLUME, volume) == "Retain"


@pytest.mark.parametrize("undone", [False, True])
def test_a_claim_that_is_going_goes_from_a_volume_that_is_retained(
    idle: Bench, undone: bool
) -> None:
    name = f"going-{undone}".lower()
    volume = bound_claim(idle, name, **DESTROY)
    idle.let_go(name, name)
    idle.live_for(1, lambda: idle.status(VOLUME_RELEASE, name).get("begun"))
    # As a claim that a pod still has: it is there until the finalizer is taken off.
    stays = {"metadata": {"finalizers": ["test.hearth-csi.io/stay"]}}
    idle.api.patch(CLAIM, name, stays, "default")
    idle.delete(CLAIM, name, "default")
    if undone:
        idle.delete(VOLUME_RELEASE, name)
    idle.lives = 0
    idle.start()
    idle.eventually(lambda: policy(idle, VOLUME, volume) == "Retain", idle.log)
    idle.api.patch(CLAIM, name, {"metadata": {"finalizers": None}}, "default")
    idle.eventually(lambda: idle.is_plain(name), idle.log)
    assert idle.gone(VOLUME, volume)


def test_a_snapshot_that_is_going_goes_from_a_content_that_is_retained(idle: Bench) -> None:
    content = ready_snapshot(idle, "leaving", deletionPolicy="Delete", allowDelete=True)
    wanted = {"snapshot": {"namespace": "default", "name": "leaving"}}
    idle.create(SNAPSHOT_RELEASE, "leaving", wanted)
    idle.live_for(1, lambda: idle.status(SNAPSHOT_RELEASE, "leaving").get("begun"))
    stays = {"metadata": {"finalizers": ["test.hearth-csi.io/stay"]}}
    idle.api.patch(SNAPSHOT, "leaving", stays, "default")
    idle.delete(SNAPSHOT, "leaving", "default")
    idle.start()
    idle.eventually(lambda: policy(idle, CONTENT, content) == "Retain", idle.log)
    idle.api.patch(SNAPSHOT, "leaving", {"metadata": {"finalizers": None}}, "default")
    idle.eventually(lambda: idle.is_plain("leaving"), idle.log)
