"""Metrics and health over HTTP, asked by a real client."""

import http.client
import socket

import pytest

from csi.metrics import CONTENT_TYPE, Metrics
from csi.rpc.web import Page, Web, health
from drivers.errors import Invalid, Unavailable


def get(web: Web, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers["Content-Type"], body


def test_metrics_and_health_are_served_and_follow_the_state() -> None:
    metrics, wrong = Metrics("1.2.3"), ""
    pages = {
        "/metrics": lambda: Page(metrics.page(), content_type=CONTENT_TYPE),
        "/healthz": health(lambda: ""),
        "/readyz": health(lambda: wrong),
    }
    web = Web("127.0.0.1:0", pages)
    web.start()
    try:
        status, kind, body = get(web, "/metrics?name=x")
        assert (status, kind) == (200, CONTENT_TYPE)
        assert b"hearth_build_info{" in body
        assert get(web, "/readyz") == (200, "text/plain; charset=utf-8", b"ok\n")
        wrong = "backend fast: the volume group vg0 is not on this node"
        assert get(web, "/readyz")[::2] == (503, f"{wrong}\n".encode())
        assert get(web, "/healthz")[0] == 200
        assert get(web, "/healthz", "HEAD")[::2] == (200, b"")
        assert get(web, "/")[::2] == (404, b"/healthz\n/metrics\n/readyz\n")
        assert get(web, "/healthz", "POST")[0] == 501
    finally:
        web.stop()


def test_a_client_that_says_nothing_does_not_stop_the_others() -> None:
    web = Web("127.0.0.1:0", {"/healthz": health(lambda: "")})
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
    again = Web(f"127.0.0.1:{web.port}", {})
    again.start()
    again.stop()


def test_no_host_is_every_address() -> None:
    web = Web(":0", {"/healthz": health(lambda: "")})
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
    "address", ["", "9808", "localhost", "localhost:", ":http", ":65536", ":-1", ":²"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(Invalid, match="HOST:PORT"):
        Web(address, {})
