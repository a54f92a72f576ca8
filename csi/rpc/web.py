"""Metrics and health over HTTP: for Prometheus, and for kubelet instead of a livenessprobe sidecar.

Pages are functions from outside; this module knows HTTP and nothing else.
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


@dataclass(frozen=True, slots=True)
class Page:
    """What is sent."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = "text/plain; charset=utf-8"


def health(check: Callable[[], str]) -> Callable[[], Page]:
    """A page that says "ok", or with 503 what ``check`` says: what is wrong, or nothing."""

    def page() -> Page:
        wrong = check()
        if wrong:
            return Page(f"{wrong}\n".encode(), HTTPStatus.SERVICE_UNAVAILABLE)
        return Page(b"ok\n")

    return page


class Web:
    """Serves ``pages`` (path to page) on ``address``, HOST:PORT, from `start` until `stop`.

    An empty host is every address of the machine. Raises `Invalid` for an address that is none, and
    `Unavailable` for one that cannot be listened on.
    """

    def __init__(self, address: str, pages: Mapping[str, Callable[[], Page]]) -> None:
        listening = _listen(*_parted(address))
        self.port: int = listening.getsockname()[1]
        self._server = _Server(listening, pages)
        self._thread = threading.Thread(target=self._server.serve_forever, name="http", daemon=True)

    def start(self) -> None:
        """Serve from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Hang up. Answers that are on their way are not waited for."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _parted(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65535 or ":" not in address:
        raise Invalid(f"the address is {address!r}; it must be HOST:PORT or :PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _listen(host: str, port: int) -> socket.socket:
    try:
        if not host and socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Unavailable(f"cannot listen on {host}:{port}: {error}") from error


class _Server(ThreadingHTTPServer):
    def __init__(self, listening: socket.socket, pages: Mapping[str, Callable[[], Page]]) -> None:
        # Not bound by the base class: that asks the name service for this machine's name, and waits.
        super().__init__(listening.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.pages = pages

    def handle_error(self, request: object, client_address: object) -> None:
        log.warning("an answer to %s broke off", client_address, exc_info=sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # of an idle connection: a thread each, and nobody has a reason to wait

    def do_GET(self) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        if page is None:
            known = "\n".join(sorted(self.server.pages))
            self._send(Page(f"{known}\n".encode(), HTTPStatus.NOT_FOUND))
        else:
            self._send(page())

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _send(self, page: Page) -> None:
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(page.body)

    def log_message(self, format: str, *args: object) -> None:
        log.debug("%s %s", self.client_address[0], format % args)
