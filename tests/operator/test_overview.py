"""The overview goes on: one backend that the API refuses hides no other, and its end is seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from csi.kube.events import Events, now
from csi.kube.kinds import BACKEND
from csi.kube.overview import Overview, Pace
from csi.kube.world import World
from csi.spec import manage_pb2 as pb
from tests.operator.bench import DRIVER
from tests.operator.plane import Plane

pytestmark = pytest.mark.timeout(300)


@dataclass
class Link:
    """A node that tells of its backends, and is away by now."""

    name: str
    told: Any
    connected: bool = False

    def whereabouts(self) -> str:
        return f"{self.name} is away"


def link(name: str, *backends: str) -> Link:
    told = [pb.Backend(name=each, id=f"{name}-{each}") for each in backends]
    return Link(name, pb.WatchBackendsResponse(node=name, backends=told, complete=True))


class Nodes:
    """Those that a test has put there."""

    def __init__(self, *links: Link) -> None:
        self.links = links

    def known(self) -> Any:
        return self.links


def overview(plane: Plane, nodes: Any) -> Overview:
    api = plane.api()
    world = World(api, nodes, Events(api, DRIVER, now), DRIVER, "topology")
    return Overview(world, nodes, Pace(look=0.05))


def eventually(is_so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_what_the_api_refuses_hides_nothing_else(plane: Plane) -> None:
    api = plane.api()
    # The first has a name that the API takes for no object, the second one is on its way out.
    nodes = Nodes(link("aa", "no_name"), link("bb", "going"), link("cc", "good"))
    going = {"driver": DRIVER, "node": "bb", "backend": "going"}
    found = api.create(
        BACKEND,
        {
            "apiVersion": BACKEND.api,
            "kind": BACKEND.name,
            "metadata": {"name": "bb.going", "finalizers": ["test.hearth-csi.io/stay"]},
            "spec": going | {"driver": "other.io"},
        },
    )
    api.delete(BACKEND, found)
    made = overview(plane, nodes)
    made.start()
    try:
        eventually(lambda: api.get(BACKEND, "cc.good"))
        assert made.alive()
        api.patch(BACKEND, "bb.going", {"metadata": {"finalizers": None}})
        eventually(lambda: "status" in (api.get(BACKEND, "bb.going") or {}))
    finally:
        made.close()
        for name in ("bb.going", "cc.good"):
            if (left := api.get(BACKEND, name)) is not None:
                api.delete(BACKEND, left)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_overview_that_has_ended_is_not_alive(plane: Plane) -> None:
    broken = overview(plane, object())
    assert broken.alive()
    broken.start()
    eventually(lambda: not broken.alive())
    # What ended it is told to pytest by its thread, and to this test.
    broken.close()
