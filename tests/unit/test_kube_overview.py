"""What was listed of a backend stays told until it is listed anew; a list that failed is repeated soon."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from csi.kube.api import Absent
from csi.kube.events import Events
from csi.kube.kinds import BACKEND, Kind
from csi.kube.overview import Overview, Pace
from csi.kube.world import World
from csi.spec import manage_pb2 as pb
from drivers.errors import Busy

NAME = "n1.fast.d"


class Objects:
    """The part of the API that an overview needs: Backend objects, and nothing else."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}

    def list(self, kind: Kind) -> list[Any]:
        return [deepcopy(each) for each in self.kept.values()] if kind is BACKEND else []

    def create(self, _kind: Kind, document: Any) -> Any:
        return self.kept.setdefault(document["metadata"]["name"], deepcopy(document))

    def get(self, _kind: Kind, name: str) -> Any:
        return deepcopy(self.kept.get(name))

    def patch(self, _kind: Kind, name: str, change: Any, sub: str) -> Any:
        assert sub == "status"
        if name not in self.kept:
            raise Absent(404, "it is gone")
        merged = self.kept[name].get("status", {}) | change["status"]
        kept = {key: value for key, value in merged.items() if value is not None}
        self.kept[name] = self.kept[name] | {"status": kept}
        return deepcopy(self.kept[name])

    def manageable(self) -> list[str]:
        """What the object says could be imported."""
        return [each["name"] for each in self.kept[NAME]["status"]["manageable"]]


@dataclass
class Link:
    """A node that is connected, and what it answers when it is asked."""

    name: str = "n1"
    connected: bool = True
    revision: str = "1"
    unhealthy: str = ""
    busy: bool = False
    strange: bool = False
    asked: int = 0
    lvs: list[str] = field(default_factory=list)

    @property
    def peer(self) -> Link:
        return self

    @property
    def told(self) -> pb.WatchBackendsResponse:
        backend = pb.Backend(name="fast", id="B", revision=self.revision, unhealthy=self.unhealthy)
        return pb.WatchBackendsResponse(node=self.name, backends=[backend], complete=True)

    def forward(self, rpc: str, _request: bytes) -> bytes:
        self.asked += 1
        if self.strange:
            raise ZeroDivisionError
        if self.busy:
            raise Busy("somebody works on it")
        if not rpc.endswith("ListManageableVolumes"):
            return b""
        found = [pb.Manageable(reference=pb.Reference(name=each)) for each in self.lvs]
        return pb.ListManageableResponse(entries=found).SerializeToString()


class Scene:
    """A node, the API, and operators one after the other."""

    def __init__(self) -> None:
        self.link = Link(lvs=["first"])
        self.objects = Objects()
        self.now = 1000.0
        self.begin()

    def begin(self) -> None:
        """Another life of the operator."""
        nodes: Any = self
        api: Any = self.objects
        events = Events(api, "d", lambda: datetime(2026, 1, 1, tzinfo=UTC))
        world = World(api, nodes, events, "d", "topology")
        self.overview = Overview(world, nodes, Pace(), lambda: self.now)

    def known(self) -> list[Link]:
        return [self.link]

    def look(self, after: float) -> list[str]:
        """What the object says, ``after`` so many seconds."""
        self.now += after
        self.overview.look()
        return self.objects.manageable()


def test_a_list_that_failed_is_repeated_soon_and_not_at_once() -> None:
    scene = Scene()
    assert scene.look(0) == ["first"]
    scene.link.lvs, scene.link.revision, scene.link.busy = ["second"], "2", True
    assert scene.look(60) == ["first"]
    asked = scene.link.asked
    assert scene.look(1) == ["first"]
    assert scene.link.asked == asked
    scene.link.busy = False
    assert scene.look(5) == ["second"]
    asked = scene.link.asked
    assert scene.look(5) == ["second"]
    assert scene.link.asked == asked, "what was listed is not listed again for nothing"


def test_what_somebody_changed_or_deleted_is_written_anew_although_nothing_happens() -> None:
    scene = Scene()
    assert scene.look(0) == ["first"]
    scene.objects.kept[NAME]["status"]["manageable"] = []
    assert scene.look(200) == []
    assert scene.look(200) == ["first"]
    del scene.objects.kept[NAME]
    scene.now += 400
    scene.overview.look()
    assert NAME not in scene.objects.kept
    assert scene.look(2) == ["first"]


def test_what_an_earlier_life_has_told_stays_until_it_is_listed() -> None:
    scene = Scene()
    assert scene.look(0) == ["first"]
    scene.begin()
    scene.link.busy = True
    assert scene.look(60) == ["first"]
    scene.link.lvs, scene.link.busy = ["second"], False
    assert scene.look(60) == ["second"]


def test_a_backend_that_serves_nothing_is_not_asked_and_is_listed_once_it_does() -> None:
    scene = Scene()
    assert scene.look(0) == ["first"]
    scene.link.lvs, scene.link.revision, scene.link.unhealthy = ["second"], "2", "no disk"
    asked = scene.link.asked
    assert scene.look(1000) == ["first"]
    assert scene.link.asked == asked
    scene.link.unhealthy = ""
    assert scene.look(60) == ["second"]


def test_what_nobody_thought_of_in_one_backend_hides_no_other(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.link.strange = True
    scene.overview.look()
    assert "ZeroDivisionError" in caplog.text
    scene.link.strange = False
    scene.now += 1
    scene.overview.look()
    assert "status" not in scene.objects.kept[NAME], "it waits for a while"
    assert scene.look(60) == ["first"]
    assert scene.overview.alive()


def test_nothing_is_counted_before_it_was_listed() -> None:
    scene = Scene()
    scene.look(0)
    assert scene.overview.orphans()
    scene.link.busy = True
    scene.begin()
    scene.look(1)
    assert scene.overview.orphans() == {}
