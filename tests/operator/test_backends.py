"""The Backend objects: what the node tells, what could be imported, and what is left over."""

from __future__ import annotations

import time
from typing import Any

import pytest

from csi.kube.kinds import BACKEND
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
