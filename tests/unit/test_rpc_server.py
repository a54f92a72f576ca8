"""The server's life: its socket, its threads, its end; in real processes where it matters."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from csi.metrics import Metrics
from csi.rpc import endpoint
from csi.rpc.client import Client
from csi.rpc.endpoint import UnixSocket
from csi.rpc.server import WORKERS, Server
from csi.spec import csi_pb2
from drivers.errors import InUse, Invalid, Precondition, Unavailable
from tests.fakes.services import Controller, refusal, serving

PROCESS = """
import sys
from pathlib import Path
from tests.fakes.services import Controller, serving
with serving(Path(sys.argv[1]), Controller()):
    print("serving", flush=True)
    sys.stdin.read()
"""


def server(at: Path, *services: object) -> Server:
    return Server(UnixSocket(at), services, Metrics("1.2.3"))


@pytest.fixture
def at(tmp_path: Path) -> Path:
    return tmp_path / "csi.sock"


@pytest.fixture
def process(at: Path) -> Iterator[subprocess.Popen[str]]:
    """A server in a process of its own."""
    command = [sys.executable, "-c", PROCESS, os.fspath(at)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "serving\n"
        yield running
        running.kill()


def test_only_the_owner_may_talk_to_the_socket(at: Path) -> None:
    with serving(at, Controller()):
        assert stat.S_IMODE(at.stat().st_mode) == 0o600
        assert list(at.parent.iterdir()) == [at], "CSI: no files beside the socket"


def test_the_mask_of_new_files_is_as_before(at: Path) -> None:
    before = os.umask(0o022)
    try:
        with serving(at, Controller()):
            assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)


def test_a_second_server_is_refused_and_the_first_goes_on(at: Path) -> None:
    with serving(at, Controller()) as client:
        with pytest.raises(InUse, match=f"another server is listening on {at}"):
            server(at, Controller()).start()
        assert client.identity.Probe(csi_pb2.ProbeRequest()).ready.value


def test_a_second_process_is_refused(at: Path, process: subprocess.Popen[str]) -> None:
    second = subprocess.run(
        [sys.executable, "-c", PROCESS, at], input="", capture_output=True, text=True, check=False
    )
    assert "another server is listening" in second.stderr
    with Client(f"unix://{at}") as client:
        assert client.identity.Probe(csi_pb2.ProbeRequest()).ready.value
    assert process.poll() is None


def test_of_many_that_start_at_once_exactly_one_serves(at: Path) -> None:
    with ExitStack() as stack:
        racers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", PROCESS, at],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
            )
            for _ in range(4)
        ]
        said = [racer.stdout.readline() for racer in racers if racer.stdout]
        assert sorted(said) == ["", "", "", "serving\n"]


def test_a_start_waits_while_another_looks_at_the_socket(at: Path) -> None:
    second = server(at, Controller())
    starting = threading.Thread(target=second.start)
    with endpoint.alone(at.parent):
        starting.start()
        starting.join(0.2)
        assert starting.is_alive()
        assert not at.exists()
    starting.join(10)
    assert at.is_socket()
    second.stop(1)


def test_the_socket_of_a_killed_server_is_taken_over(
    at: Path, process: subprocess.Popen[str]
) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert at.is_socket()
    with serving(at, Controller()) as client:
        assert client.identity.Probe(csi_pb2.ProbeRequest()).ready.value


def test_a_server_that_is_stopped_in_its_tracks_is_still_there(
    at: Path, process: subprocess.Popen[str]
) -> None:
    process.send_signal(signal.SIGSTOP)
    with pytest.raises(InUse):
        server(at, Controller()).start()
    process.send_signal(signal.SIGCONT)


def test_a_full_queue_is_a_living_server(at: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as waiting:
        listening.bind(os.fspath(at))
        listening.listen(0)
        waiting.connect(os.fspath(at))
        with pytest.raises(InUse):
            server(at).start()


def test_what_is_no_socket_is_not_removed(at: Path) -> None:
    at.write_text("precious")
    with pytest.raises(Precondition, match="is no socket"):
        server(at).start()
    assert at.read_text() == "precious"


def test_what_cannot_be_asked_is_not_removed(at: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(os.fspath(at))
        with pytest.raises(Unavailable, match="cannot tell"):
            server(at).start()
    assert at.is_socket()


def test_a_directory_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(Precondition, match=f"{tmp_path}/absent"):
        server(tmp_path / "absent/csi.sock").start()


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    with serving(tmp_path / "50% #1? ü.sock", Controller()) as client:
        assert client.identity.Probe(csi_pb2.ProbeRequest()).ready.value


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("unix:///csi/csi.sock", Path("/csi/csi.sock")),
        ("unix:/csi/csi.sock", Path("/csi/csi.sock")),
        ("unix://csi/csi.sock", Path.cwd() / "csi/csi.sock"),
        ("unix:csi.sock", Path.cwd() / "csi.sock"),
    ],
)
def test_an_endpoint_is_a_path(address: str, path: Path) -> None:
    assert endpoint.path(address) == path


@pytest.mark.parametrize("address", ["", "unix", "unix:", "unix://", "tcp://:1", "/csi.sock"])
def test_what_is_no_endpoint_is_refused(address: str) -> None:
    with pytest.raises(Invalid, match="unix:///path"):
        endpoint.path(address)


def test_a_path_that_no_socket_can_have_is_refused() -> None:
    endpoint.path("unix:///" + "x" * 106)
    with pytest.raises(Invalid, match="107 bytes"):
        endpoint.path("unix:///" + "x" * 107)


def test_a_misspelt_rpc_stops_the_start(at: Path) -> None:
    class Node:
        def NodeStageVolumes(self) -> None: ...

    with pytest.raises(TypeError, match=r"csi\.v1\.Node has no NodeStageVolumes"):
        server(at, Node())


def test_a_service_that_csi_does_not_know_stops_the_start(at: Path) -> None:
    class Nodes: ...

    with pytest.raises(TypeError, match="no service Nodes"):
        server(at, Nodes())


def test_probe_is_answered_while_every_thread_waits_for_storage(at: Path) -> None:
    controller = Controller(slow={"slow"})
    request = csi_pb2.CreateVolumeRequest(name="slow")
    with serving(at, controller) as client:
        calls = [client.controller.CreateVolume.future(request) for _ in range(WORKERS + 10)]
        for _ in range(WORKERS):
            assert controller.working.acquire(timeout=20)
        assert client.identity.Probe(csi_pb2.ProbeRequest(), timeout=5).ready.value
        controller.go.set()
        assert {call.result(timeout=20).volume.volume_id for call in calls} == {"fake.0"}


def test_a_call_whose_caller_has_gone_is_not_begun(at: Path) -> None:
    controller = Controller(slow={"slow"})
    slow = csi_pb2.CreateVolumeRequest(name="slow")
    with serving(at, controller) as client:
        calls = [client.controller.CreateVolume.future(slow) for _ in range(WORKERS)]
        for _ in range(WORKERS):
            assert controller.working.acquire(timeout=20)
        late = csi_pb2.CreateVolumeRequest(name="late")
        code, _ = refusal(client.controller.CreateVolume, late, timeout=0.2)
        assert code is grpc.StatusCode.DEADLINE_EXCEEDED
        controller.go.set()
        for call in calls:
            call.result(timeout=20)
    assert controller.volumes.keys() == {"slow"}


def test_stopping_lets_calls_end_turns_others_away_and_keeps_the_socket_meanwhile(
    at: Path,
) -> None:
    controller = Controller(slow={"slow"})
    running = server(at, controller)
    running.start()
    with Client(f"unix://{at}") as client:
        slow = client.controller.CreateVolume.future(csi_pb2.CreateVolumeRequest(name="slow"))
        assert controller.working.acquire(timeout=10)
        stopped: list[bool] = []
        stopping = threading.Thread(target=lambda: stopped.append(running.stop(20)))
        stopping.start()
        assert wait_until_turned_away(client) is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(InUse):
            server(at, Controller()).start()
        controller.go.set()
        assert slow.result(timeout=10).volume.volume_id == "fake.0"
        stopping.join(10)
    assert stopped == [True]
    assert not at.exists()


def wait_until_turned_away(client: Client) -> grpc.StatusCode:
    """The code with which the server refuses once it shuts down; until then it deletes nothing."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            client.controller.DeleteVolume(csi_pb2.DeleteVolumeRequest(volume_id="none"))
        except grpc.RpcError as error:
            return error.code()
    pytest.fail("the gate stayed open")


def test_a_call_that_does_not_end_holds_the_stop_no_longer_than_its_grace(at: Path) -> None:
    controller = Controller(slow={"slow"})
    running = server(at, controller)
    running.start()
    with Client(f"unix://{at}") as client:
        slow = client.controller.CreateVolume.future(csi_pb2.CreateVolumeRequest(name="slow"))
        assert controller.working.acquire(timeout=10)
        began = time.monotonic()
        assert running.stop(0.3) is False
        assert time.monotonic() - began < 3
        with pytest.raises(grpc.RpcError):
            slow.result(timeout=10)
    assert not at.exists()
    controller.go.set()


def test_a_successor_can_follow_at_once(at: Path) -> None:
    for _ in range(20):
        with serving(at, Controller()) as client:
            assert client.identity.Probe(csi_pb2.ProbeRequest()).ready.value
