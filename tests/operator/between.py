"""Somebody between the operator and the API: passes everything on, and can kill after a change.

Every change is passed on and takes effect; the operator that asked for it may be dead before it learns so.
"""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlparse

Changed = Callable[[str], None]
"""Told ``METHOD path`` of every change that the API made, before the answer is passed back."""


class Between(ThreadingHTTPServer):
    """Listens on a port of this machine."""

    daemon_threads = True

    def __init__(self, server: str, authority: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.changed: Changed = lambda _what: None
        self._host = urlparse(server).netloc
        self._trust = ssl.create_default_context(cafile=str(authority))

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, context=self._trust, timeout=90)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who was killed hangs up; that is what this is for."""


class _Handler(BaseHTTPRequestHandler):
    server: Between
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length) if length else None
        headers = {key: value for key, value in self.headers.items() if key.lower() != "host"}
        # Nothing is compressed on the way: it is only passed on.
        headers["Accept-Encoding"] = "identity"
        with closing(self.server.connect()) as upstream:
            upstream.request(self.command, self.path, body, headers)
            self._answer(upstream.getresponse())

    def _answer(self, answer: http.client.HTTPResponse) -> None:
        if self.command != "GET" and answer.status < 300 and "dryRun" not in self.path:
            self.server.changed(f"{self.command} {self.path}")
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while piece := answer.read1():
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def do_GET(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        self._pass()

    def do_PATCH(self) -> None:
        self._pass()

    def do_DELETE(self) -> None:
        self._pass()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def between(server: str, authority: Path) -> Iterator[Between]:
    """Somebody in between, for the block."""
    made = Between(server, authority)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()
