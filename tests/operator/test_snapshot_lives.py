"""The operator dies after every change that it makes for a snapshot, and the next one finishes or undoes."""

from __future__ import annotations

from typing import Any

import pytest

from csi.kube.kinds import CONTENT, SNAPSHOT, SNAPSHOT_IMPORT, SNAPSHOT_RELEASE
from csi.kube.objects import name_for
from tests.operator.bench import Bench
from tests.operator.snapshots import become_ready, bring_in, give_origin, has_content

pytestmark = pytest.mark.timeout(1200)

DESTROY = {"deletionPolicy": "Delete", "allowDelete": True}


def begin(bench: Bench, name: str) -> None:
    """An origin of its own for a test; the operator is not started after this."""
    bench.start()
    give_origin(bench, f"{name}-origin")
    bench.kill()


def policy(bench: Bench, name: str) -> str:
    """What becomes of a content's snapshot."""
    found = bench.api.get(CONTENT, name) or {"spec": {}}
    return str(found["spec"].get("deletionPolicy", ""))


def import_through(bench: Bench, name: str) -> Any:
    """A snapshot that comes in while operator after operator dies; the import."""
    begin(bench, name)
    bring_in(bench, name, f"{name}-origin")

    def is_done() -> bool:
        if has_content(bench, name):
            become_ready(bench, name)
        return bench.phase(SNAPSHOT_IMPORT, name) == "Bound"

    bench.live_for(1, is_done)
    return bench.api.get(SNAPSHOT_IMPORT, name)


def test_an_import_is_finished_and_its_release_too(idle: Bench) -> None:
    uid = import_through(idle, "lives")["metadata"]["uid"]
    assert idle.node.lvs["lives"].owner == uid
    found = [each["metadata"]["name"] for each in idle.api.list(CONTENT)]
    assert found.count(name_for(uid)) == 1

    wanted = {"snapshot": {"namespace": "default", "name": "lives"}}
    idle.create(SNAPSHOT_RELEASE, "lives", wanted)
    idle.lives = 0
    idle.live_for(1, lambda: idle.phase(SNAPSHOT_RELEASE, "lives") == "Released")
    assert idle.is_plain("lives")
    assert idle.gone(SNAPSHOT, "lives", "default")
    assert idle.gone(CONTENT, name_for(uid))


def test_an_import_that_is_deleted_on_the_way_is_undone(idle: Bench) -> None:
    begin(idle, "undone")
    found = bring_in(idle, "undone", "undone-origin", **DESTROY)
    content = name_for(found["metadata"]["uid"])
    idle.live_for(1, lambda: has_content(idle, "undone"))
    idle.delete(SNAPSHOT_IMPORT, "undone")
    wiped: list[str] = []

    def is_done() -> bool:
        """What the snapshot controller does when a snapshot is gone whose content says Delete."""
        if idle.gone(SNAPSHOT, "undone", "default") and policy(idle, content) == "Delete":
            wiped.append(content)
        return idle.gone(SNAPSHOT_IMPORT, "undone")

    idle.lives = 0
    idle.live_for(2, is_done)
    assert not wiped
    assert idle.gone(CONTENT, content)
    assert idle.is_plain("undone")


def test_one_that_is_ready_after_all_keeps_what_was_to_become_of_it(idle: Bench) -> None:
    begin(idle, "kept")
    found = bring_in(idle, "kept", "kept-origin", **DESTROY)
    content = name_for(found["metadata"]["uid"])
    idle.live_for(1, lambda: has_content(idle, "kept"))
    idle.delete(SNAPSHOT_IMPORT, "kept")
    idle.lives = 0
    idle.live_for(1, lambda: policy(idle, content) == "Retain")
    become_ready(idle, "kept")
    idle.start()
    idle.eventually(lambda: idle.gone(SNAPSHOT_IMPORT, "kept"), idle.log)
    assert policy(idle, content) == "Delete"
    assert not idle.is_plain("kept")


def test_an_import_that_was_refused_on_the_way_is_undone(idle: Bench) -> None:
    begin(idle, "late")
    found = bring_in(idle, "late", "late-origin")
    content = name_for(found["metadata"]["uid"])
    idle.live_for(1, lambda: not idle.gone(CONTENT, content))
    spec = {"source": {"persistentVolumeClaimName": "other"}, "volumeSnapshotClassName": "hearth"}
    idle.create(SNAPSHOT, "late", spec, "default")
    idle.start()
    idle.until(SNAPSHOT_IMPORT, "late", "Refused SnapshotExists")
    idle.delete(SNAPSHOT_IMPORT, "late")
    idle.eventually(lambda: idle.gone(SNAPSHOT_IMPORT, "late"), idle.log)
    assert idle.is_plain("late")
    assert idle.gone(CONTENT, content)
    assert not idle.gone(SNAPSHOT, "late", "default")


def test_a_release_takes_back_what_it_has_begun(idle: Bench) -> None:
    begin(idle, "back")
    found = bring_in(idle, "back", "back-origin", **DESTROY)
    content = name_for(found["metadata"]["uid"])
    idle.start()
    become_ready(idle, "back")
    idle.until(SNAPSHOT_IMPORT, "back", "Bound")
    idle.kill()
    idle.create(SNAPSHOT_RELEASE, "back", {"snapshot": {"namespace": "default", "name": "back"}})
    idle.live_for(1, lambda: policy(idle, content) == "Retain")
    idle.delete(SNAPSHOT_RELEASE, "back")
    idle.start()
    idle.eventually(lambda: idle.gone(SNAPSHOT_RELEASE, "back"), idle.log)
    assert policy(idle, content) == "Delete"
    assert not idle.gone(SNAPSHOT, "back", "default")
    assert not idle.is_plain("back")
