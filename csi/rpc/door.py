"""What a server listens on. `csi.rpc.endpoint` has the unix socket, `csi.rpc.tls` the port with TLS."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

import grpc


class Door(Protocol):
    """One address, which only one server has at a time."""

    def bind(self, server: grpc.Server) -> None:
        """Let ``server`` listen here. Raises `InUse` if another does, `Unavailable` if it cannot."""
        ...

    def leaving(self) -> AbstractContextManager[None]:
        """For the block, in which the server gives the address up: no successor takes it."""
        ...


Admit = Callable[[grpc.ServicerContext, str], None]
"""Decides whether a caller may call the method of that path; raises `Denied` for one who may not."""


def everybody(_context: grpc.ServicerContext, _method: str) -> None:
    """Where the mode of the socket has decided already."""
