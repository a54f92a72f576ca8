"""The life of `hearth all`: listening before disks are looked at, and an orderly end."""

from __future__ import annotations

import ctypes
import http.client
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from tests.fakes.bench import Bench, bench, refused, wanted
from tests.fakes.moods import Moods

TGKILL = partial(ctypes.CDLL(None).syscall, 234)  # of x86-64: a signal for one thread


def get(running: Bench, path: str) -> tuple[int, str]:
    assert running.app.web
    connection = http.client.HTTPConnection("127.0.0.1", running.app.web.port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def ready(running: Bench) -> bool:
    probed: bool = running.client.identity.Probe(pb.ProbeRequest()).ready.value
    return probed


def test_it_answers_while_a_backend_is_still_being_set_up() -> None:
    slow = Moods()
    slow.set_up_gate.clear()
    with bench(http="127.0.0.1:0", moods={"fast": slow}) as running:
        assert not ready(running)
        assert get(running, "/healthz") == (200, "alive\n")
        assert get(running, "/readyz") == (503, "setting backends up\n")
        assert 'hearth_backend_healthy{backend="fast"} 0.0' in get(running, "/metrics")[1]
        assert (
            running.client.controller.GetCapacity(pb.GetCapacityRequest()).available_capacity == 0
        )
        with refused("UNAVAILABLE", "'fast' is still being set up"):
            running.client.controller.CreateVolume(wanted("v"), timeout=1)
        slow.set_up_gate.set()
        assert running.app.backends.by_name["fast"].set_up().wait(5)
        assert ready(running)
        assert get(running, "/readyz") == (200, "ready\n")
        assert 'hearth_backend_healthy{backend="fast"} 1.0' in get(running, "/metrics")[1]


def test_a_backend_that_fails_does_not_keep_the_node_from_being_ready() -> None:
    with bench(moods={"fast": Moods(broken="a disk is away")}) as running:
        assert ready(running)
        with refused("UNAVAILABLE", "a disk is away"):
            running.create("v")


def test_an_absent_backend_sends_volumes_elsewhere() -> None:
    with bench(moods={"fast": Moods(absent=True)}) as running:
        assert ready(running)
        with refused("RESOURCE_EXHAUSTED", "'fast' is not on this node"):
            running.create("v")
        assert not running.client.controller.ListVolumes(pb.ListVolumesRequest()).entries


def test_the_end_waits_for_calls_in_work_and_turns_others_away() -> None:
    with bench(http="127.0.0.1:0") as running, ThreadPoolExecutor() as pool:
        moods = running.driver().moods
        moods.gate.clear()
        creation = pool.submit(running.create, "v")
        assert moods.entered.wait(5)
        ending = pool.submit(running.app.stop)
        while get(running, "/readyz") != (503, "stopping\n"):
            pass
        with refused("UNAVAILABLE", "shutting down"):
            running.client.controller.CreateVolume(wanted("w"), wait_for_ready=False)
        assert not ending.done()
        moods.gate.set()
        assert creation.result(5).volume_id
        assert ending.result(5)
        assert not Path(running.endpoint.removeprefix("unix://")).exists()


@dataclass
class Process:
    """`hearth all` as a process of its own, with a backend of files."""

    directory: Path
    popen: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> str:
        return f"unix://{self.directory}/csi.sock"

    def ask(self) -> None:
        """Return when it answers."""
        with Client(self.endpoint) as client:
            client.identity.Probe(pb.ProbeRequest(), timeout=30, wait_for_ready=True)

    def end(self, number: signal.Signals) -> int:
        self.popen.send_signal(number)
        return self.popen.wait(30)


@pytest.fixture
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="hearth-") as name:
        path = Path(name)
        (path / "files").mkdir()
        backend = f"{{name: a, driver: loop, directory: {path}/files}}"
        (path / "node.yaml").write_text(
            f"node: n1\nkubeletDirectory: {path}\nbackends: [{backend}]\n"
        )
        yield path


@contextmanager
def process(directory: Path) -> Iterator[Process]:
    endpoint = {"CSI_ENDPOINT": f"unix://{directory}/csi.sock"}
    command = [sys.executable, "-m", "csi", "all", "--config", str(directory / "node.yaml")]
    with (directory / "log").open("ab") as log:
        popen = subprocess.Popen(command, stderr=log, env={**os.environ, **endpoint})
    try:
        yield Process(directory, popen)
    finally:
        if popen.poll() is None:
            popen.kill()
            popen.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_order(directory: Path, number: signal.Signals) -> None:
    with process(directory) as serving:
        serving.ask()
        assert serving.end(number) == 0
    assert not (directory / "csi.sock").exists()
    assert "Traceback" not in (directory / "log").read_text()


def test_a_signal_that_another_thread_gets_ends_it_too(directory: Path) -> None:
    """Which thread gets a signal is the kernel's choice, and the main one may be asleep."""
    with process(directory) as serving:
        serving.ask()
        threads = {int(each.name) for each in Path(f"/proc/{serving.popen.pid}/task").iterdir()}
        for thread in threads - {serving.popen.pid}:
            TGKILL(serving.popen.pid, thread, signal.SIGTERM)
        assert serving.popen.wait(30) == 0


def test_a_second_one_on_the_socket_is_refused_and_the_first_goes_on(directory: Path) -> None:
    with process(directory) as first:
        first.ask()
        with process(directory) as second:
            assert second.popen.wait(30) == 1
        assert "another server is listening" in (directory / "log").read_text()
        first.ask()


def test_one_that_was_killed_is_succeeded(directory: Path) -> None:
    with process(directory) as first:
        first.ask()
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    assert (directory / "csi.sock").exists()
    with process(directory) as second:
        second.ask()
        assert second.end(signal.SIGTERM) == 0
