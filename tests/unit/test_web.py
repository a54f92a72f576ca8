"""Metrics and health over HTTP, asked by a real client."""

import http.client
import socket
from http import HTTPStatus

import pytest

from csi.metrics import CONTENT_TYPE, Metrics
from csi.web import Answer, Pages, Web, parse
from drivers.errors import Invalid, Unavailable


def get(web: Web, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers["Content-Type"], body


def well() -> Answer:
    return Answer(b"ok\n")


def test_pages_are_served_and_follow_the_state() -> None:
    metrics, wrong = Metrics("1.2.3"), b""

    def ready() -> Answer:
        return Answer(wrong, HTTPStatus.SERVICE_UNAVAILABLE) if wrong else well()

    pages: Pages = {
        "/metrics": lambda: Answer(metrics.page(), content_type=CONTENT_TYPE),
        "/healthz": well,
        "/readyz": ready,
    }
    web = Web("127.0.0.1:0", pages)
    web.start()
    try:
        status, kind, body = get(web, "/metrics?name=x")
        assert (status, kind) == (200, CONTENT_TYPE)
        assert b"hearth_build_info{" in body
        assert get(web, "/readyz") == (200, "text/plain; charset=utf-8", b"ok\n")
        wrong = b"the volume group vg0 is not on this node"
        assert get(web, "/readyz")[::2] == (503, wrong)
        assert get(web, "/healthz")[0] == 200
        assert get(web, "/healthz", "HEAD")[::2] == (200, b"")
        assert get(web, "/")[0] == 404
        assert get(web, "/healthz", "POST")[0] == 501
    finally:
        web.stop()


def test_a_page_that_breaks_is_logged_and_the_next_is_served(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken() -> Answer:
        raise LookupError("page")

    web = Web("127.0.0.1:0", {"/broken": broken, "/healthz": well})
    web.start()
    try:
        with pytest.raises(http.client.RemoteDisconnected):
            get(web, "/broken")
        assert get(web, "/healthz")[0] == 200
    finally:
        web.stop()
    assert "LookupError: page" in caplog.text


def test_a_client_that_says_nothing_does_not_stop_the_others() -> None:
    web = Web("127.0.0.1:0", {"/healthz": well})
    web.start()
    try:
        with socket.create_connection(("127.0.0.1", web.port)):
            assert get(web, "/healthz")[0] == 200
    finally:
        web.stop()


def test_a_stopped_server_gives_its_port_back() -> None:
    web = Web("127.0.0.1:0", {})
    web.start()
    web.stop()
    never_started = Web(f"127.0.0.1:{web.port}", {})
    never_started.stop()
    again = Web(f"127.0.0.1:{web.port}", {})
    again.stop()


@pytest.mark.parametrize(
    ("address", "parsed"),
    [
        ("localhost:80", ("localhost", 80)),
        (":0", ("", 0)),
        ("[::1]:65535", ("::1", 65535)),
        ("10.0.0.1:9808", ("10.0.0.1", 9808)),
    ],
)
def test_an_address_is_a_host_and_a_port(address: str, parsed: tuple[str, int]) -> None:
    assert parse(address) == parsed


def test_no_host_is_every_address() -> None:
    web = Web(":0", {"/healthz": well})
    web.start()
    try:
        assert get(web, "/healthz")[0] == 200
    finally:
        web.stop()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(Unavailable, match=address):
            Web(address, {})


@pytest.mark.parametrize(
    "address", ["", "9808", "localhost", "localhost:", ":http", ":65536", ":-1", ":²", "::1:80"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Invalid, match="HOST:PORT"):
        Web(address, {})
