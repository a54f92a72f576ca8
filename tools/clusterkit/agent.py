"""Runs programs in a node on behalf of `tools/cluster node shell`: the server, and its client.

A node has no console to type at, and pods come and go. The node runs this file as it is, so it imports
nothing of ours. Whoever reaches the port is root there: pods of the cluster, too.

A request is a line of JSON, the arguments, and then standard input. An answer is frames: one byte that says
what it is, four with the length of what follows.
"""

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import IO, BinaryIO, cast

OUTPUT, ERROR, STATUS = b"o", b"e", b"s"
HEADER = struct.Struct("!cI")
NOT_FOUND = 127
CHUNK = 1 << 16
# A node that is killed says no goodbye: seconds of silence, between questions, and questions.
KEEPALIVE = ((socket.TCP_KEEPIDLE, 3), (socket.TCP_KEEPINTVL, 2), (socket.TCP_KEEPCNT, 3))


def call(
    address: tuple[str, int],
    command: Sequence[str],
    *,
    source: BinaryIO | None,
    output: BinaryIO,
    error: BinaryIO,
) -> int:
    """Run a command in a node, and return its status."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.settimeout(None)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        connection.sendall(json.dumps(list(command)).encode() + b"\n")
        threading.Thread(target=_send, args=(source, connection), daemon=True).start()
        with connection.makefile("rb") as answer:
            return _receive(answer, {OUTPUT: output, ERROR: error})


def serve(server: socket.socket) -> None:
    """Answer for ever."""
    while True:
        connection, _ = server.accept()
        threading.Thread(target=_answer, args=(connection,), daemon=True).start()


def _send(source: BinaryIO | None, connection: socket.socket) -> None:
    try:
        if source is not None:
            with connection.makefile("wb") as target:
                shutil.copyfileobj(source, target)
        connection.shutdown(socket.SHUT_WR)
    except OSError:  # the command did not want to hear the rest
        return


def _receive(answer: BinaryIO, targets: dict[bytes, BinaryIO]) -> int:
    while header := answer.read(HEADER.size):
        kind, length = HEADER.unpack(header)
        content = answer.read(length)
        if kind == STATUS:
            return int(content)
        targets[kind].write(content)
        targets[kind].flush()
    raise ConnectionError("the node went away before the command had ended")


def _answer(connection: socket.socket) -> None:
    writing = threading.Lock()

    def frame(kind: bytes, content: bytes) -> None:
        with writing:
            connection.sendall(HEADER.pack(kind, len(content)) + content)

    with connection, connection.makefile("rb") as request:
        command = json.loads(request.readline())
        try:
            status = _run(command, request, frame)
        except OSError as e:
            frame(ERROR, f"{command[0]}: {e.strerror}\n".encode())
            status = NOT_FOUND
        frame(STATUS, b"%d" % status)


def _run(command: list[str], request: BinaryIO, frame: Callable[[bytes, bytes], None]) -> int:
    """Carry the three streams of a command until both outputs are closed."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    target = cast(IO[bytes], process.stdin)  # pipes, as asked for
    threading.Thread(target=_feed, args=(request, target), daemon=True).start()
    pumps = [
        threading.Thread(target=_pump, args=(kind, source, frame))
        for kind, source in ((OUTPUT, process.stdout), (ERROR, process.stderr))
    ]
    for pump in pumps:
        pump.start()
    for pump in pumps:
        pump.join()
    status = process.wait()
    return 128 - status if status < 0 else status


def _feed(request: BinaryIO, target: IO[bytes]) -> None:
    try:
        with target:
            shutil.copyfileobj(request, target)
    except OSError:  # the command has closed its end
        return


def _pump(kind: bytes, source: IO[bytes], frame: Callable[[bytes, bytes], None]) -> None:
    with source:
        while content := os.read(source.fileno(), CHUNK):
            try:
                frame(kind, content)
            except OSError:  # nobody listens any more: the command shall notice
                return


if __name__ == "__main__":
    serve(socket.create_server((sys.argv[1], int(sys.argv[2]))))
