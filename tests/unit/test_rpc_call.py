"""What happens around every RPC, seen through a real socket."""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, cast

import grpc
import pytest

from csi import logs
from csi.metrics import Metrics
from csi.rpc.call import OBJECTS
from csi.rpc.client import SERVICES, Client
from csi.rpc.endpoint import UnixSocket
from csi.rpc.peer import Peer
from csi.rpc.server import Server
from csi.spec import csi_pb2, manage_pb2
from drivers import exec as programs
from drivers.errors import Busy, Exhausted, InUse
from tests.fakes.cluster import eventually
from tests.fakes.services import Controller, failing_with, refusal, serving


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """The log lines of calls so far, as JSON has them."""
    caplog.set_level(logging.DEBUG, "csi.rpc.call")

    def read() -> list[dict[str, Any]]:
        form = logs.Json()
        return [json.loads(form.format(record)) for record in caplog.records]

    return read


def code_of(client: Client, name: str) -> grpc.StatusCode:
    return refusal(client.controller.CreateVolume, csi_pb2.CreateVolumeRequest(name=name))[0]


def test_the_callers_deadline_is_the_programs_deadline(tmp_path: Path) -> None:
    controller = Controller()
    with serving(tmp_path / "csi.sock", controller) as client:
        client.controller.CreateVolume(csi_pb2.CreateVolumeRequest(name="a"), timeout=20)
        client.controller.CreateVolume(csi_pb2.CreateVolumeRequest(name="b"))
        client.controller.CreateVolume(csi_pb2.CreateVolumeRequest(name="c"), timeout=10**8)
    first, *others = controller.remaining
    assert first is not None
    assert 15 < first < 20.5
    assert others == [None, None]
    assert programs.remaining() is None


def test_who_gives_up_at_the_deadline_is_still_heard(tmp_path: Path) -> None:
    controller = failing_with(Busy("the group is locked"))
    controller.patient.add("broken")
    with serving(tmp_path / "csi.sock", controller) as client:
        request = csi_pb2.CreateVolumeRequest(name="broken")
        told = refusal(client.controller.CreateVolume, request, timeout=5)
    assert told == (grpc.StatusCode.ABORTED, "the group is locked")


def test_a_call_makes_one_line_with_method_code_duration_and_objects(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    with serving(tmp_path / "csi.sock", Controller()) as client:
        client.controller.CreateVolume(csi_pb2.CreateVolumeRequest(name="pvc-1"))
    [line] = lines()
    assert line["method"] == "/csi.v1.Controller/CreateVolume"
    assert line["code"] == "OK"
    assert 0 <= line["seconds"] < 5
    assert line["name"] == "pvc-1"
    assert line["volume_id"] == "fake.0"
    assert line["level"] == "INFO"


def test_the_reference_page_names_every_member_of_a_line(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    with serving(tmp_path / "csi.sock", failing_with(KeyError("a bug"))) as client:
        client.controller.CreateVolume(csi_pb2.CreateVolumeRequest(name="pvc-1"))
        code_of(client, "broken")
    page = (Path(__file__).parents[2] / "docs/reference/logs.md").read_text()
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    told = {name for line in lines() for name in line} | set(OBJECTS) | {"kind", "result", "why"}
    assert documented == told


def test_a_name_of_megabytes_makes_no_line_of_megabytes(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    with serving(tmp_path / "csi.sock", Controller()) as client:
        assert code_of(client, "x" * 2_000_000) is grpc.StatusCode.INVALID_ARGUMENT
    assert len(json.dumps(lines())) < 2000


def test_what_is_asked_all_the_time_is_logged_at_debug_and_its_failure_is_not(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    with serving(tmp_path / "csi.sock", failing_with(Exhausted("full"))) as client:
        client.identity.Probe(csi_pb2.ProbeRequest())
        client.identity.GetPluginCapabilities(csi_pb2.GetPluginCapabilitiesRequest())
        code_of(client, "broken")
    assert [line["level"] for line in lines()] == ["DEBUG", "DEBUG", "WARNING"]
    assert lines()[-1]["message"].endswith("name='broken': full")


@dataclass
class Manage:
    """The part of the service whose calls are streams, or have objects in objects."""

    breaks: bool = False
    watches: bool = False

    def WatchBackends(self, _request: object) -> Iterator[manage_pb2.WatchBackendsResponse | None]:
        yield manage_pb2.WatchBackendsResponse(node="n1")
        while self.watches:
            time.sleep(0.05)
            yield None
        if self.breaks:
            raise KeyError("a bug")

    def CopyVolumeToImage(
        self, request: manage_pb2.CopyVolumeToImageRequest
    ) -> Iterator[manage_pb2.CopyVolumeToImageResponse]:
        yield manage_pb2.CopyVolumeToImageResponse(size=4)
        if request.volume_id == "B.open":
            raise InUse("B.open is open")

    def CreateVolumeFromImage(
        self,
        _first: manage_pb2.CreateVolumeFromImageRequest,
        _rest: Iterator[manage_pb2.CreateVolumeFromImageRequest],
    ) -> manage_pb2.CreateVolumeFromImageResponse:
        return manage_pb2.CreateVolumeFromImageResponse(volume=manage_pb2.Volume(id="B.made"))

    def ManageVolume(
        self, _request: manage_pb2.ManageVolumeRequest
    ) -> manage_pb2.ManageVolumeResponse:
        return manage_pb2.ManageVolumeResponse(volume=manage_pb2.Volume(id="B.made"))


def test_streamed_calls_make_one_line_too(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    copy = manage_pb2.CopyVolumeToImageRequest
    head = manage_pb2.CreateVolumeFromImageRequest(head=manage_pb2.ImageHead(name="golden"))
    with serving(tmp_path / "csi.sock", Manage()) as client:
        list(client.manage.WatchBackends(manage_pb2.WatchBackendsRequest()))
        list(client.manage.CopyVolumeToImage(copy(volume_id="B.v")))
        refusal(
            lambda asked, **_: list(client.manage.CopyVolumeToImage(asked)),
            copy(volume_id="B.open"),
        )
        client.manage.CreateVolumeFromImage(iter([head]))
    found = lines()
    assert [each["method"].rpartition("/")[2] for each in found] == [
        *("WatchBackends", "CopyVolumeToImage", "CopyVolumeToImage", "CreateVolumeFromImage")
    ]
    assert [(each["code"], each["level"]) for each in found] == [
        *(("OK", "INFO"), ("OK", "INFO"), ("FAILED_PRECONDITION", "WARNING"), ("OK", "INFO"))
    ]
    assert [each.get("volume_id") for each in found] == [None, "B.v", "B.open", "B.made"]
    assert found[-1]["name"] == "golden"
    assert all(0 <= each["seconds"] < 5 for each in found)


def test_that_a_watch_ends_with_its_server_is_nothing_to_warn_of(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    at = tmp_path / "csi.sock"
    server = Server(UnixSocket(at), [Manage(watches=True)], Metrics("1.2.3"))
    server.start()
    with Client(f"unix://{at}") as client:
        told = iter(client.manage.WatchBackends(manage_pb2.WatchBackendsRequest()))
        assert next(told).node == "n1"
        server.stop(5)
        eventually(lines)
    [line] = lines()
    assert (line["code"], line["level"]) == ("UNAVAILABLE", "INFO")


def test_a_bug_in_a_stream_is_told_as_one(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    with serving(tmp_path / "csi.sock", Manage(breaks=True)) as client:
        told = refusal(
            lambda asked, **_: list(client.manage.WatchBackends(asked)),
            manage_pb2.WatchBackendsRequest(),
        )
    assert told == (grpc.StatusCode.INTERNAL, "internal error, see the plugin's log")
    [line] = lines()
    assert (line["code"], line["level"]) == ("INTERNAL", "ERROR")
    assert "KeyError" in line["exception"]


def test_the_name_of_a_call_is_its_own_and_not_that_of_what_it_refers_to(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    request = manage_pb2.ManageVolumeRequest(
        name="import-1", reference=manage_pb2.Reference(name="data")
    )
    with serving(tmp_path / "csi.sock", Manage()) as client:
        client.manage.ManageVolume(request)
    [line] = lines()
    assert (line["name"], line["volume_id"]) == ("import-1", "B.made")


def test_a_call_that_is_passed_on_keeps_its_id(tmp_path: Path) -> None:
    with logged_text() as stream, serving(tmp_path / "csi.sock", Controller()):
        peer = Peer("n1", f"unix://{tmp_path}/csi.sock", None)
        request = csi_pb2.CreateVolumeRequest(name="a").SerializeToString()
        token = logs.call_id.set("0123abcd")
        peer.forward("/csi.v1.Controller/CreateVolume", request)
        logs.call_id.set("no id of ours")
        peer.forward("/csi.v1.Controller/CreateVolume", request)
        logs.call_id.reset(token)
        peer.forward("/csi.v1.Controller/CreateVolume", request)
        peer.close()
    told = [line.split()[2] for line in stream.getvalue().splitlines()]
    assert told[0] == "[0123abcd]"
    assert all(re.fullmatch(r"\[[0-9a-f]{8}\]", each) for each in told)
    assert len(set(told)) == 3


def test_every_line_of_a_call_carries_its_id(tmp_path: Path) -> None:
    class Controller:
        def CreateVolume(self, _request: object) -> csi_pb2.CreateVolumeResponse:
            logging.getLogger("csi.rpc.call.test").warning("at work")
            return csi_pb2.CreateVolumeResponse()

    with logged_text() as stream, serving(tmp_path / "csi.sock", Controller()) as client:
        for name in ("a", "b"):
            client.controller.CreateVolume(csi_pb2.CreateVolumeRequest(name=name))
    first, second, third, fourth = (line.split()[2] for line in stream.getvalue().splitlines())
    assert first == second != third == fourth
    assert logs.call_id.get() == "-"


@contextmanager
def logged_text() -> Iterator[StringIO]:
    """What calls log meanwhile, formatted where it is logged."""
    stream, logger = StringIO(), logging.getLogger("csi.rpc.call")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.Text())
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield stream
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_a_bug_is_internal_and_logged_with_its_trace_and_without_secrets(
    tmp_path: Path, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    request = csi_pb2.CreateVolumeRequest(
        name="broken", parameters={"layout": "thin"}, secrets={"key": "hunter2"}
    )
    broken = failing_with(ZeroDivisionError("division of the ways"))
    with serving(tmp_path / "csi.sock", broken) as client:
        code, message = refusal(client.controller.CreateVolume, request)
    assert code is grpc.StatusCode.INTERNAL
    assert "division" not in message
    [line] = lines()
    assert line["level"] == "ERROR"
    assert "ZeroDivisionError: division of the ways" in line["exception"]
    assert "thin" in line["message"]
    assert "hunter2" not in json.dumps(line)


def test_an_answer_of_the_wrong_kind_is_a_bug(tmp_path: Path) -> None:
    class Controller:
        def CreateVolume(self, _request: object) -> csi_pb2.DeleteVolumeResponse:
            return csi_pb2.DeleteVolumeResponse()

    with serving(tmp_path / "csi.sock", Controller()) as client:
        assert code_of(client, "a") is grpc.StatusCode.INTERNAL


def test_a_bad_string_is_refused_before_the_service_sees_it(tmp_path: Path) -> None:
    controller = Controller()
    with serving(tmp_path / "csi.sock", controller) as client:
        assert code_of(client, "x\x07") is grpc.StatusCode.INVALID_ARGUMENT
    assert controller.volumes == {}


@contextmanager
def raw_create(at: Path) -> Iterator[Callable[..., bytes]]:
    """CreateVolume of a server at ``at``, as a call that takes and gives bytes."""
    with (
        serving(at, Controller()),
        grpc.insecure_channel(f"unix:{at}") as channel,
    ):
        yield cast("Callable[..., bytes]", channel.unary_unary("/csi.v1.Controller/CreateVolume"))


@pytest.mark.parametrize("raw", [b"\x0a\x02\xff\xfe", b"\x0a\x7f", b"\xff"])
def test_bytes_that_are_no_message_are_the_callers_fault(raw: bytes, tmp_path: Path) -> None:
    with raw_create(tmp_path / "csi.sock") as create:
        code, message = refusal(create, raw)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert "csi.v1.CreateVolumeRequest" in message


def test_fields_that_a_newer_caller_knows_are_ignored(tmp_path: Path) -> None:
    newer = csi_pb2.CreateVolumeRequest(name="a").SerializeToString() + b"\xfa\x7f\x01x"
    with raw_create(tmp_path / "csi.sock") as create:
        answer = csi_pb2.CreateVolumeResponse.FromString(create(newer))
    assert answer.volume.volume_id == "fake.0"


def test_an_rpc_that_nobody_wrote_is_unimplemented(tmp_path: Path) -> None:
    with serving(tmp_path / "csi.sock", Controller()) as client:
        for call, request in (
            (client.controller.ListVolumes, csi_pb2.ListVolumesRequest()),
            (client.node.NodeGetInfo, csi_pb2.NodeGetInfoRequest()),
        ):
            assert refusal(call, request)[0] is grpc.StatusCode.UNIMPLEMENTED


def test_alpha_rpcs_are_there_only_if_asked_for(tmp_path: Path) -> None:
    request = csi_pb2.ControllerGetVolumeRequest(volume_id="fake.0")
    with serving(tmp_path / "csi.sock", Controller()) as client:
        code, _ = refusal(client.controller.ControllerGetVolume, request)
        assert code is grpc.StatusCode.UNIMPLEMENTED
    with serving(tmp_path / "csi.sock", Controller(), alpha=True) as client:
        assert client.controller.ControllerGetVolume(request).volume.volume_id == "fake.0"


def test_calls_are_counted_by_code_and_while_they_run(tmp_path: Path) -> None:
    metrics, controller = Metrics("1.2.3"), failing_with(Exhausted("full"))
    controller.slow.add("slow")
    request = csi_pb2.CreateVolumeRequest(name="slow")
    method = 'method="/csi.v1.Controller/CreateVolume"'
    with serving(tmp_path / "csi.sock", controller, metrics=metrics) as client:
        code_of(client, "broken")
        slow = client.controller.CreateVolume.future(request)
        assert controller.working.acquire(timeout=10)
        assert controller.working.acquire(timeout=10)
        assert b"hearth_rpc_in_flight 1.0\n" in metrics.page()
        controller.go.set()
        slow.result(timeout=10)
    page = metrics.page().decode()
    assert "hearth_rpc_in_flight 0.0\n" in page
    assert f'hearth_rpc_total{{code="OK",{method}}} 1.0\n' in page
    assert f'hearth_rpc_total{{code="RESOURCE_EXHAUSTED",{method}}} 1.0\n' in page
    assert f"hearth_rpc_seconds_count{{{method}}} 2.0\n" in page


def test_the_client_has_every_rpc_of_its_services() -> None:
    with Client("unix:///nowhere/csi.sock") as client:
        for name, stub in (
            ("Identity", client.identity),
            ("Controller", client.controller),
            ("Node", client.node),
        ):
            assert set(SERVICES[name].methods_by_name) == set(vars(stub))
