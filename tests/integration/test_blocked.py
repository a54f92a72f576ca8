"""While LVM is blocked, whoever asks is answered: from memory, and without starting LVM."""

from __future__ import annotations

import fcntl
import http.client
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csi.spec import csi_pb2 as pb
from drivers.model import MIB
from tests.integration.calls import creation
from tests.integration.served import HTTP, Served

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

LOCKS = Path("/run/lock/lvm")
AT_ONCE = 2.0
"""Seconds: far below kubelet's patience, and above what a busy machine of two cores may need."""


@contextmanager
def blocked(group: str) -> Iterator[None]:
    """The lock of the volume group, held as by an LVM command that hangs."""
    LOCKS.mkdir(parents=True, exist_ok=True)
    with (LOCKS / f"V_{group}").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def page(path: str) -> str:
    """What the service says at ``path``, at once."""
    host, _, port = HTTP.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=AT_ONCE)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert answer.status == 200
    text = answer.read().decode()
    connection.close()
    return text


def test_metrics_health_probe_capacity_and_stats_are_answered(served: Served) -> None:
    volume = served.create("kept", 64 * MIB, layout="thin")
    target = served.publish(volume.volume_id)
    creating = creation("blocked", 64 * MIB, layout="thin")
    usage = pb.NodeGetVolumeStatsRequest(volume_id=volume.volume_id, volume_path=str(target))
    node, controller, identity = (
        served.client.node,
        served.client.controller,
        served.client.identity,
    )
    with blocked(served.group):
        waiting = controller.CreateVolume.future(creating, timeout=60)
        wait_until_in_flight()
        assert 'hearth_backend_volumes{backend="b"} 1.0' in page("/metrics")
        assert page("/healthz")
        assert identity.Probe(pb.ProbeRequest(), timeout=AT_ONCE).ready.value
        assert node.NodeGetVolumeStats(usage, timeout=AT_ONCE).usage
        assert controller.GetCapacity(pb.GetCapacityRequest(), timeout=AT_ONCE).available_capacity
        assert not waiting.done()
    waiting.cancel()
    served.create("blocked", 64 * MIB, layout="thin", fs_type="")


def wait_until_in_flight() -> None:
    """Return once the service has begun the call."""
    end = time.monotonic() + 20
    while "hearth_rpc_in_flight 0.0" in page("/metrics"):
        assert time.monotonic() < end, "the call never came in"


def test_a_scrape_runs_no_program(served: Served) -> None:
    served.create("one", 64 * MIB, layout="thin")
    first, second = commands(page("/metrics")), commands(page("/metrics"))
    assert first == second
    assert sum(first.values()) > 0


def commands(text: str) -> dict[str, float]:
    """How often each program has run, by its labels in the metrics."""
    found = re.findall(r"^hearth_command_seconds_count(\S+) (\S+)$", text, re.MULTILINE)
    return {labels: float(count) for labels, count in found}
