"""The Backend objects: what the node tells, what could be imported, and what is left over."""

from __future__ import annotations

import time
from typing import Any

import pytest

from csi.kube.kinds import BACKEND, EVENT
from tests.operator.bench import Bench

pytestmark = pytest.mark.timeout(300)
NAME = "n1.hearth"


def status(bench: Bench) -> Any:
    found = bench.api.get(BACKEND, NAME) or {}
    return found.get("status") or {}


def version(bench: Bench) -> str:
    found = bench.api.get(BACKEND, NAME)
    assert found
    return str(found["metadata"]["resourceVersion"])


def test_a_backend_shows_what_is_in_it_and_rests_when_nothing_changes(served: Bench) -> None:
    served.node.add("free")
    served.node.add("busy", is_open=True)

    def listed() -> dict[str, bool]:
        return {each["name"]: each["safe"] for each in status(served).get("manageable", ())}

    served.eventually(lambda: listed() == {"free": True, "busy": False}, listed)
    found = status(served)
    assert (found["state"], found["size"], found["manageableCount"]) == ("Healthy", "100.0 GiB", 1)
    before = version(served)
    time.sleep(10)
    assert version(served) == before
    table = served.plane.kubectl("get", "backends")
    assert "vg0" in table
    assert "Healthy" in table


def test_an_object_that_nobody_should_have_deleted_comes_back(served: Bench) -> None:
    served.eventually(lambda: status(served).get("state") == "Healthy")
    served.delete(BACKEND, NAME)
    served.node.add("reason-to-write")
    served.eventually(lambda: status(served).get("state") == "Healthy")


def test_an_object_without_a_node_goes(served: Bench) -> None:
    spec = {"driver": "hearth-csi.io", "node": "gone", "backend": "hearth"}
    served.create(BACKEND, "gone.hearth", spec)
    served.kill()
    served.start()
    served.eventually(lambda: served.gone(BACKEND, "gone.hearth"), served.log)
    served.eventually(lambda: status(served).get("state") == "Healthy")


def manageable(bench: Bench) -> set[str]:
    return {each["name"] for each in status(bench).get("manageable", ())}


def told(bench: Bench, reason: str) -> list[tuple[str, str, int]]:
    """The kind and the name of what was told of for that reason, and how often."""
    found = bench.api.list(EVENT, "default", fieldSelector=f"reason={reason}")
    return [
        (each["involvedObject"]["kind"], each["involvedObject"]["name"], each["count"])
        for each in found
    ]


def test_a_pool_above_its_watermark_is_told_once_for_each_time(served: Bench) -> None:
    served.node.warning = "thin pool vg0/pool is above its watermark"
    served.eventually(lambda: told(served, "AboveWatermark") == [("Backend", NAME, 1)])
    assert status(served)["warning"] == served.node.warning
    served.kill()
    served.start()
    served.node.add("seen-by-the-second-life")
    served.eventually(lambda: "seen-by-the-second-life" in manageable(served), served.log)
    assert told(served, "AboveWatermark") == [("Backend", NAME, 1)]
    again, served.node.warning = served.node.warning, ""
    served.eventually(lambda: not status(served).get("warning"))
    served.node.warning = again
    served.eventually(lambda: told(served, "AboveWatermark") == [("Backend", NAME, 2)])


def test_a_snapshot_that_ran_out_of_room_is_told(served: Bench) -> None:
    lv = served.node.add("origin", id="BACKEND1.origin")
    served.node.add("cut", origin=lv.name, id="BACKEND1.cut", usable=False)
    served.eventually(lambda: told(served, "SnapshotInvalid") == [("Backend", NAME, 1)])
