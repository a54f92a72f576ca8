"""What is read from Kubernetes' API: with an API of our own that keeps objects, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from kubernetes import client

from csi.cli.uninstall import tell, told
from csi.kube import client as door
from csi.kube.endpoints import Endpoints, addresses
from csi.kube.volumes import Claimed, of_driver
from drivers.errors import Unavailable
from tests.fakes.cluster import eventually


class Api(ThreadingHTTPServer):
    """Lists ``items``; a watch tells what a test puts into ``events``, None ends it."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.items: list[Mapping[str, Any]] = []
        self.page = 0
        self.status = 200
        self.lists = 0
        self.events: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()

    def client(self) -> client.ApiClient:
        return client.ApiClient(client.Configuration(host=f"http://127.0.0.1:{self.server_port}"))


class _Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"  # whose chunks an API server sends a watch in

    def do_GET(self) -> None:
        query = {key: value[0] for key, value in parse_qs(urlparse(self.path).query).items()}
        self.send_response(self.server.status)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if query.get("watch", "").lower() == "true":
            while (event := self.server.events.get()) is not None:
                self._write(json.dumps(event).encode() + b"\n")
        else:
            self.server.lists += 1
            self._write(json.dumps(self._listed(int(query.get("continue", 0)))).encode())
        self._write(b"")

    def _write(self, chunk: bytes) -> None:
        self.wfile.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        self.wfile.flush()

    def _listed(self, start: int) -> Mapping[str, Any]:
        end = start + self.server.page if self.server.page else len(self.server.items)
        more = {"continue": str(end)} if end < len(self.server.items) else {}
        metadata = {"resourceVersion": "1", **more}
        return {"items": self.server.items[start:end], "metadata": metadata}

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def api() -> Iterator[Api]:
    made = Api()
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.events.put(None)
    made.shutdown()
    made.server_close()


def a_slice(
    name: str, *endpoints: Mapping[str, Any], version: str = "1", port: str = "grpc"
) -> Mapping[str, Any]:
    return {
        "metadata": {"name": name, "resourceVersion": version},
        "ports": [{"name": "http", "port": 9808}, {"name": port, "port": 9810}],
        "endpoints": list(endpoints),
    }


def endpoint(node: str, address: str, **conditions: bool) -> Mapping[str, Any]:
    return {"nodeName": node, "addresses": [address], "conditions": conditions}


def test_each_node_has_the_address_of_the_pod_that_lives() -> None:
    slices = {
        "b": a_slice("b", endpoint("n1", "10.0.0.9", ready=False, terminating=True)),
        "c": a_slice("c", endpoint("n1", "10.0.0.1", ready=False), endpoint("n2", "fd00::2")),
        "d": a_slice("d", endpoint("n3", "10.0.0.3"), port="other"),
        "e": a_slice("e", {"addresses": ["10.0.0.4"], "conditions": {}}),
    }
    assert addresses(slices) == {"n1": "10.0.0.1:9810", "n2": "[fd00::2]:9810"}
    assert addresses({"f": {"metadata": {"name": "f"}, "ports": None, "endpoints": None}}) == {}


def test_nodes_are_told_as_they_come_and_go(api: Api) -> None:
    api.items = [a_slice("a", endpoint("n1", "10.0.0.1"))]
    told: list[Mapping[str, str]] = []
    endpoints = Endpoints("hearth", "hearth-nodes", api.client)
    endpoints.start(told.append)
    try:
        eventually(lambda: told[-1:] == [{"n1": "10.0.0.1:9810"}])
        api.events.put({"type": "ADDED", "object": a_slice("b", endpoint("n2", "10.0.0.2"))})
        eventually(lambda: told[-1].keys() == {"n1", "n2"})
        api.events.put({"type": "DELETED", "object": a_slice("a")})
        eventually(lambda: told[-1].keys() == {"n2"})
        bookmark = {"metadata": {"name": "", "resourceVersion": "9"}}
        api.events.put({"type": "BOOKMARK", "object": bookmark})
        api.events.put(None)
        api.events.put({"type": "DELETED", "object": a_slice("b")})
        eventually(lambda: told[-1] == {})
        assert api.lists == 1, "a watch that ends is followed by another, not by a list"
    finally:
        endpoints.close()


def test_what_is_too_old_is_listed_anew(api: Api) -> None:
    told: list[Mapping[str, str]] = []
    endpoints = Endpoints("hearth", "hearth-nodes", api.client)
    endpoints.start(told.append)
    try:
        eventually(lambda: told == [{}])
        api.items = [a_slice("a", endpoint("n1", "10.0.0.1"))]
        api.events.put({"type": "ERROR", "object": {"code": 410}})
        eventually(lambda: told[-1].keys() == {"n1"})
    finally:
        endpoints.close()


def test_an_api_that_is_away_is_asked_again(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "PAUSES", (0.01, 0.01))
    api.status = 403
    told: list[Mapping[str, str]] = []
    endpoints = Endpoints("hearth", "hearth-nodes", api.client)
    endpoints.start(told.append)
    try:
        eventually(lambda: "the Kubernetes API does not tell: 403 Forbidden" in caplog.text)
        assert told == []
        api.status = 200
        eventually(lambda: told)
    finally:
        endpoints.close()


class Failing:
    """A list of the API that breaks in ways its client does not name, once each, before it works."""

    def __init__(self, *failures: BaseException) -> None:
        self._failures = list(failures)

    def __call__(self, **manner: Any) -> Any:
        if self._failures:
            raise self._failures.pop(0)
        return self if not manner.get("watch") else Quiet()

    @property
    def data(self) -> bytes:
        return b'{"items": [{"metadata": {"name": "a"}}], "metadata": {"resourceVersion": "1"}}'


class Quiet:
    """A watch on which nothing happens."""

    def stream(self, amt: int | None) -> Iterator[bytes]:
        return iter(())


def test_an_informer_goes_on_after_what_nobody_expected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The client reads its token anew now and then, and lets through what that file raises."""
    monkeypatch.setattr(door, "PAUSES", (0.01, 0.01))
    told: list[Mapping[str, Any]] = []
    lists = Failing(OSError("no token"), KeyError("items"), RuntimeError("no new thread"))
    informer = door.Informer(lists, told.append)
    informer.start()
    try:
        eventually(lambda: told and told[-1].keys() == {"a"})
        assert caplog.text.count("Traceback") == 3
        assert "OSError: no token" in caplog.text
        assert informer.alive()
    finally:
        informer.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_informer_whose_thread_has_ended_is_not_alive() -> None:
    informer = door.Informer(Failing(SystemExit()), lambda _objects: None)
    assert informer.alive(), "it has not begun"
    informer.start()
    eventually(lambda: not informer.alive())
    informer.close()
    assert informer.alive()


def test_outside_of_a_cluster_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Unavailable, match="no pod with a service account"):
        Endpoints("hearth", "hearth-nodes")


def volume(name: str, driver: str | None, claim: str = "") -> Mapping[str, Any]:
    spec: dict[str, Any] = {"csi": {"driver": driver}} if driver else {"hostPath": {}}
    if claim:
        spec["claimRef"] = {"namespace": "default", "name": claim}
    return {"metadata": {"name": name}, "spec": spec, "status": {"phase": "Bound"}}


def test_the_volumes_of_a_driver_are_found_on_all_pages(api: Api) -> None:
    api.items = [
        volume("one", "hearth-csi.io", "data"),
        volume("two", "other.io"),
        volume("three", None),
        volume("four", "hearth-csi.io"),
    ]
    api.page = 1
    found = list(of_driver("hearth-csi.io", api.client))
    assert found == [Claimed("one", "default/data", "Bound"), Claimed("four", "", "Bound")]
    text = told(found, "hearth-csi.io")
    assert "2 volumes of hearth-csi.io are left" in text
    assert "  one  Bound  default/data" in text
    assert told([], "x") == "No volume of x is left."


@pytest.mark.parametrize(
    "error",
    [Unavailable("no answer"), KeyError("items"), ValueError("no JSON"), OSError("no token")],
)
def test_the_check_before_an_uninstallation_ends_well_whatever_happens(
    capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def find() -> Iterator[Claimed]:
        raise error

    tell(find, "hearth-csi.io")
    assert f"cannot tell which volumes are left: {type(error).__name__}" in capsys.readouterr().err


def test_an_api_that_refuses_to_list_volumes_is_told_of(api: Api) -> None:
    api.status = 403
    with pytest.raises(Unavailable, match="does not list volumes"):
        list(of_driver("hearth-csi.io", api.client))
