"""What a node tells the rest of Hearth: its backends as they change, and whether a name is in use."""

from __future__ import annotations

from itertools import islice

import pytest

from csi.manage.servicer import RETRY, Manage, Rules
from csi.spec import manage_pb2 as pb
from drivers.errors import Invalid, Unavailable
from tests.fakes.bench import Bench, bench, wanted
from tests.fakes.memory import MemoryDriver, MemoryOptions
from tests.fakes.moods import Moods


def manage(running: Bench) -> Manage:
    app = running.app
    rules = Rules(app.provisioner, app.inventory, app.adoption, app.groups)
    return Manage("n1", app.backends, rules, look=0.01)


def test_backends_are_told_at_once_and_when_they_change() -> None:
    options = {
        "fast": (MemoryDriver, MemoryOptions()),
        "odd": (MemoryDriver, MemoryOptions("odd0", tells="infinite")),
    }
    with bench(options) as running:
        told = manage(running).WatchBackends(pb.WatchBackendsRequest())
        first = next(told)
        assert first is not None
        assert first.complete
        assert first.node == "n1"
        assert [(each.name, each.id, each.unhealthy) for each in first.backends] == [
            ("fast", "memory0", ""),
            ("odd", "odd0", ""),
        ]
        assert first.backends[1].free.infinite
        assert next(told) is None, "nothing has changed"
        running.create("v", parameters={"hearth-csi.io/backend": "fast"})
        second = next(told)
        assert second is not None
        assert second.backends[0].volumes == 1
        assert second.backends[0].free.bytes < first.backends[0].free.bytes


def test_disks_that_are_added_are_found_though_nobody_asks_for_them() -> None:
    absent = Moods(absent=True)
    with bench(moods={"fast": absent}) as running:
        for backend in running.app.backends:
            backend._next = 0.0
        told = manage(running).WatchBackends(pb.WatchBackendsRequest())
        first = next(told)
        assert first is not None
        assert "not on this node" in first.backends[0].unhealthy
        absent.absent = False
        later = [each for each in islice(told, 3 * RETRY) if each is not None]
        assert later[-1].backends[0].unhealthy == ""


def test_a_name_is_in_use_or_cannot_be_told() -> None:
    with bench() as running:
        service = manage(running)
        assert not service.FindVolume(pb.FindVolumeRequest(name="v")).found
        running.client.controller.CreateVolume(wanted("v"))
        assert service.FindVolume(pb.FindVolumeRequest(name="v")).found
        with pytest.raises(Invalid):
            service.FindVolume(pb.FindVolumeRequest())
        running.driver().moods.broken = "no disks"
        running.driver().moods.unhealthy = "no disks"
        with pytest.raises(Unavailable):
            service.FindVolume(pb.FindVolumeRequest(name="v"))
