"""Where a server listens on this machine: a unix socket, taken over from a dead predecessor.

gRPC binds over whatever socket it finds, also that of a server that is alive, so two would take turns
in getting the calls. CSI forbids files beside the socket, so there is no lock file: a lock on the
directory is held only while the socket is looked at and bound.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import grpc

from drivers.errors import InUse, Invalid, Precondition, Unavailable

# sockaddr_un holds 108 bytes with the zero byte at the end.
LONGEST = 107


class UnixSocket:
    """The `csi.rpc.door.Door` that is a unix socket, for root alone."""

    def __init__(self, at: Path) -> None:
        self._at = at

    def bind(self, server: grpc.Server) -> None:
        """See `taken` for what is raised."""
        with taken(self._at):
            try:
                server.add_insecure_port(target(self._at))
            except RuntimeError as error:
                raise Unavailable(f"cannot listen on {self._at}: {error}") from error

    def leaving(self) -> AbstractContextManager[None]:
        """gRPC removes the socket's name after it has ceased to listen: not a successor's, then."""
        return alone(self._at.parent)


def path(endpoint: str) -> Path:
    """The path in ``unix:///absolute``, ``unix://relative`` or ``unix:path``.

    Raises `Invalid` for anything else, and for a path that is too long for a socket.
    """
    kind, colon, rest = endpoint.partition(":")
    name = rest.removeprefix("//")
    if kind != "unix" or not colon or not name:
        raise Invalid(f"the endpoint is {endpoint!r}; it must be unix:///path/of/the.sock")
    absolute = Path(name).absolute()
    if len(os.fsencode(absolute)) > LONGEST:
        raise Invalid(f"{absolute} is too long for a socket: more than {LONGEST} bytes")
    return absolute


def target(at: Path) -> str:
    """``at`` as gRPC wants it: a URI, in which some characters have another meaning."""
    return f"unix:{quote(os.fspath(at))}"


@contextmanager
def taken(at: Path) -> Iterator[None]:
    """For the block, in which the socket ``at`` is to be bound: nobody listens there or may try to.

    What a dead server left is removed, and what is bound has mode 0600. Raises `InUse` if a server
    is listening, `Precondition` if something else has the name or the directory is absent.
    """
    with alone(at.parent):
        if not at.parent.is_dir():
            raise Precondition(f"{at.parent}, where the socket belongs, is no directory")
        _clear(at)
        mask = os.umask(0o177)  # from the first moment on: a chmod would come too late
        try:
            yield
        finally:
            os.umask(mask)


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """For the block, no other server binds or gives up a socket in ``directory``."""
    with ExitStack() as closing:
        with suppress(FileNotFoundError, NotADirectoryError):  # it holds no socket then
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            closing.callback(os.close, descriptor)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _clear(at: Path) -> None:
    try:
        mode = at.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise Precondition(f"{at} is there and is no socket; move it out of the way")
    if _is_alive(at):
        raise InUse(f"another server is listening on {at}; stop it, or use another endpoint")
    at.unlink(missing_ok=True)


def _is_alive(at: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(os.fspath(at))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            return True  # its queue is full: it is busy, or stopped, but there
        except OSError as error:
            raise Unavailable(f"cannot tell whether a server listens on {at}: {error}") from error
    return True
