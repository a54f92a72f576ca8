"""A thousand calls at once on the same few names, a third of them given up by their callers.

Whatever order they came in: nobody is told a contradiction, the service answers questions all the
time, and when every name has been brought to its end the volume group is what the callers were told, tag
by tag. HEARTH_STORM_SEED repeats the names and each client's dice.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from drivers.lvm.capacity import ASKING
from tests.integration.conftest import POOL
from tests.integration.served import Served, lvm
from tests.integration.storm import history, model, plan, settle

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

CLIENTS = 6
CALLS = 1000
ANSWERED = 1.0
"""Seconds in which a question is answered, whatever else is going on."""
ASKED = ASKING + ANSWERED
"""Seconds in which one is answered that waits for LVM, but not for long."""


def test_a_storm_of_calls_leaves_what_the_callers_were_told(served: Served, tmp_path: Path) -> None:
    seed = int(os.environ.get("HEARTH_STORM_SEED") or secrets.randbelow(1 << 32))
    print(f"\nHEARTH_STORM_SEED={seed}")
    names, began = plan.draw(seed), time.monotonic()
    with watched(served) as slowest:
        events = history.read(storm(served, seed, tmp_path))
    print(f"{len(events)} calls in {time.monotonic() - began:.0f} s\n{history.counted(events)}")
    print(f"slowest answers to questions, in seconds: {slowest}")
    assert history.unexpected(events) == []
    assert sorted(set(history.contradictions(events))) == []
    cut = Counter(event.code for event in events)["DEADLINE_EXCEEDED"]
    assert len(events) >= CALLS
    assert cut >= len(events) * 0.3, "too few were given up by their deadline"
    found = settle.settle(served, names, events)
    print(f"settled after {time.monotonic() - began:.0f} s")
    compare(served, names, found, events)
    served.restart()
    compare(served, names, found, events)
    late = {
        question: seconds
        for question, seconds in slowest.items()
        if seconds > (ASKED if question.startswith("GetCapacity") else ANSWERED)
    }
    assert late == {}


def storm(served: Served, seed: int, folder: Path) -> list[Path]:
    """Run all clients to their end; where each wrote down what it was told."""
    files = [folder / f"{number}.json" for number in range(CLIENTS)]
    clients = [
        subprocess.Popen(
            [
                sys.executable, "-m", "tests.integration.storm.client", str(seed), str(number),
                str(-(-CALLS // CLIENTS)), served.endpoint, str(served.kubelet), str(file),
            ]
        )
        for number, file in enumerate(files)
    ]  # fmt: skip
    assert [client.wait() for client in clients] == [0] * CLIENTS
    return files


@contextmanager
def watched(served: Served) -> Iterator[dict[str, float]]:
    """For the block, ask what must always be answered; the slowest answer to each, in seconds."""
    slowest: dict[str, float] = {}
    end = threading.Event()
    thread = threading.Thread(target=_watch, args=(served, end, slowest))
    thread.start()
    try:
        yield slowest
    finally:
        end.set()
        thread.join()


def _watch(served: Served, end: threading.Event, slowest: dict[str, float]) -> None:
    with Client(served.endpoint) as client:
        questions: dict[str, Callable[[], object]] = {
            "Probe": lambda: client.identity.Probe(pb.ProbeRequest()),
            "GetPluginInfo": lambda: client.identity.GetPluginInfo(pb.GetPluginInfoRequest()),
            "GetCapacity": lambda: client.controller.GetCapacity(pb.GetCapacityRequest()),
            "GetCapacity linear": lambda: client.controller.GetCapacity(
                pb.GetCapacityRequest(parameters={"hearth-csi.io/layout": "linear"})
            ),
            "NodeGetInfo": lambda: client.node.NodeGetInfo(pb.NodeGetInfoRequest()),
            "/metrics": lambda: served.metric("hearth_backend_volumes"),
        }
        while not end.wait(0.2):
            for name, ask in questions.items():
                began = time.monotonic()
                ask()
                slowest[name] = max(slowest.get(name, 0.0), time.monotonic() - began)


def compare(
    served: Served, names: plan.Plan, found: settle.Settled, events: list[history.Event]
) -> None:
    """The volume group, the lists and the free space are what the model says."""
    extent = int(float(lvm(*VGS, "vg_extent_size", served.group)))
    shown = model.shown(served.group, POOL)
    assert shown == model.expected(names, found, extent)
    for name, made in found.volumes.items():
        assert shown[model.lv_name(name)].content in model.contents(events, made.id)
    for volume in names.volumes:
        if row := shown.get(model.lv_name(volume.name)):
            assert row.requested in model.requests(volume)
    assert served.volumes() == {made.id: plan.FINAL for made in found.volumes.values()}
    assert served.snapshots() == {made.id for made in found.snapshots.values()}
    attributes = lvm(*LVS, "lv_attr", served.group).split()
    assert [row for row in attributes if row[4] in "sS"] == [], "something is suspended"


VGS = ("vgs", "--noheadings", "--units", "b", "--nosuffix", "--options")
LVS = ("lvs", "--all", "--noheadings", "--options")
