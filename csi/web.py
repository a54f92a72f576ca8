"""Metrics and health over HTTP, answered from memory by threads of their own.

/metrics   for Prometheus
/healthz   200 for as long as this process answers at all
/readyz    200 while it takes calls: from the end of set-up to the beginning of the end, else 503
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from drivers.errors import Invalid, Unavailable

log = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds a client may take to say what it wants."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a path answers with."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


Pages = Mapping[str, Callable[[], Answer]]


class Web:
    """Serves ``pages`` at ``address``, ``HOST:PORT``, from `start` until `stop`."""

    def __init__(self, address: str, pages: Pages) -> None:
        """Raises `Invalid` for what is no address, and `Unavailable` if it cannot be had."""
        listening = _listen(*parse(address))
        self.port: int = listening.getsockname()[1]
        """The port it listens on, also where port 0 was asked for."""
        self._server = _Server(listening, pages)
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more. What is on its way is not waited for."""
        if self._thread.is_alive():  # shutdown would wait for a start that never came
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


def parse(address: str) -> tuple[str, int]:
    """``HOST:PORT``, ``:PORT`` (all interfaces) or ``[IPV6]:PORT``; raises `Invalid` otherwise."""
    host, colon, port = address.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    enclosed = host == f"[{bare}]"
    numeric = port.isascii() and port.isdigit() and int(port) <= 0xFFFF
    if not colon or not numeric or (":" in bare) != enclosed:
        raise Invalid(f"the address {address!r} must be HOST:PORT, :PORT or [IPV6]:PORT")
    return bare, int(port)


def _listen(host: str, port: int) -> socket.socket:
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listening: socket.socket, pages: Pages) -> None:
        # Not bound by the base class: that asks the name service for this machine's name, and waits.
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.pages = pages

    def handle_error(self, request: object, client_address: object) -> None:
        log.warning("an answer to %s broke off", client_address, exc_info=sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = PATIENCE
    server_version = "hearth"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the page, body and all."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        page = self.server.pages.get(self.path.partition("?")[0], _absent)
        answer = page()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        log.debug(format, *args)


def _absent() -> Answer:
    return Answer(b"not found\n", HTTPStatus.NOT_FOUND)
