"""The operator dies after every change that it makes, and whoever comes next finishes or undoes."""

from __future__ import annotations

import time

import pytest

from csi.kube.kinds import CLAIM, VOLUME, VOLUME_IMPORT, VOLUME_RELEASE
from csi.kube.objects import name_for
from tests.operator.bench import Bench, why

pytestmark = pytest.mark.timeout(1200)


@pytest.mark.parametrize("changes", [1, 3])
def test_an_import_is_finished(idle: Bench, changes: int) -> None:
    name = f"lives-{changes}"
    idle.node.add(name)
    idle.bring_in(name, name)
    idle.live_for(changes, lambda: idle.phase(VOLUME_IMPORT, name) == "Bound")
    assert idle.claim(name)["status"]["phase"] == "Bound"
    uid = idle.node.lvs[name].owner
    made = [each["metadata"]["name"] for each in idle.api.list(VOLUME)]
    assert made.count(name_for(uid)) == 1


def test_a_release_is_finished(idle: Bench) -> None:
    idle.node.add("leaves")
    found = idle.bring_in("leaves", "leaves")
    idle.start()
    idle.until(VOLUME_IMPORT, "leaves", "Bound")
    idle.kill()
    idle.let_go("leaves", "leaves")
    idle.live_for(1, lambda: idle.phase(VOLUME_RELEASE, "leaves") == "Released")
    assert idle.is_plain("leaves")
    assert idle.gone(CLAIM, "leaves", "default")
    assert idle.gone(VOLUME, name_for(found["metadata"]["uid"]))


def test_an_import_that_is_deleted_on_the_way_is_undone(idle: Bench) -> None:
    idle.node.add("undone")
    found = idle.bring_in("undone", "undone")
    volume = name_for(found["metadata"]["uid"])
    # As soon as there is a volume, and before anything can be bound to it.
    idle.live_for(1, lambda: not idle.gone(VOLUME, volume))
    idle.delete(VOLUME_IMPORT, "undone")
    # Two: kopf takes its own marks off with one change and lets go with the next, from the start each time.
    idle.live_for(2, lambda: idle.gone(VOLUME_IMPORT, "undone"))
    assert idle.gone(VOLUME, volume)
    assert idle.claim("undone") is None
    assert idle.is_plain("undone")


def test_what_still_goes_on_at_the_node_is_waited_for_and_undone(idle: Bench) -> None:
    idle.node.add("going")
    found = idle.bring_in("going", "going")
    idle.live_for(1, lambda: idle.status(VOLUME_IMPORT, "going").get("begun"))
    idle.node.pause = 5.0
    idle.start()
    idle.eventually(lambda: idle.node.going, idle.log)
    idle.kill()
    idle.delete(VOLUME_IMPORT, "going")
    idle.node.pause = 0.0
    idle.start()
    idle.eventually(lambda: idle.gone(VOLUME_IMPORT, "going"), idle.log)
    assert not idle.node.going
    assert idle.is_plain("going")
    assert idle.gone(VOLUME, name_for(found["metadata"]["uid"]))


def test_what_is_in_work_ends_before_the_operator_does(idle: Bench) -> None:
    idle.node.add("slow")
    idle.node.pause = 3.0
    idle.bring_in("slow", "slow")
    idle.start()
    idle.eventually(lambda: idle.node.asked, idle.log)
    assert idle.process
    idle.process.terminate()
    assert idle.process.wait(60) == 0
    asked = idle.node.asked
    time.sleep(1)
    assert idle.node.asked == asked
    conditions = (idle.api.get(VOLUME_IMPORT, "slow") or {}).get("status", {}).get("conditions", [])
    assert [each["type"] for each in conditions if each["status"] == "True"][:1] == ["Checked"]


def test_in_a_large_cluster_too_a_node_that_is_none_is_told(idle: Bench) -> None:
    others = [f"node-{number:02}-of-a-name-that-is-as-long-as-clouds-like" for number in range(50)]
    idle.bring_in("astray", "astray", node="nobody")
    idle.start(*[f"--node={each}=127.0.0.1:1" for each in others])
    said = why(idle.until(VOLUME_IMPORT, "astray", "Pending NodeUnavailable"))
    assert said.startswith("no Hearth runs on node nobody")
    assert "and 41 more" in said
