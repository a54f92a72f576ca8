"""`hearth controller`: the services of the whole cluster, for the stock sidecars on one socket."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from csi.app import version
from csi.app.identity import plugin
from csi.app.life import GRACE, App, Status, health, pages
from csi.app.nodes import reach
from csi.controller.group_servicer import announces
from csi.controller.servicer import announced
from csi.metrics import Metrics
from csi.router.group_servicer import GroupController
from csi.router.nodes import Nodes
from csi.router.servicer import Controller
from csi.rpc import endpoint
from csi.rpc.endpoint import UnixSocket
from csi.rpc.identity import Identity
from csi.rpc.server import Server
from csi.settings import ControllerSettings
from csi.web import Web
from drivers.interface import VolumeDriver

Announce = Callable[[Mapping[str, str]], None]
"""Told the address of every node by name, whenever that changes."""


class Discovery(Protocol):
    """Who knows which nodes there are."""

    def start(self, announce: Announce) -> None: ...

    def close(self) -> None: ...

    def alive(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how to serve. ``http`` is None for no metrics and health."""

    endpoint: str
    tls: Path
    http: str | None = None
    grace: float = GRACE


class Fixed:
    """The `Discovery` of nodes that were named on the command line."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = addresses

    def start(self, announce: Announce) -> None:
        """Tell them once."""
        announce(self._addresses)

    def close(self) -> None:
        """There is nothing to end."""

    def alive(self) -> bool:
        """It has told everything."""
        return True


class _Routing:
    """The work of this process: to know the nodes, and to listen to them."""

    def __init__(self, discovery: Discovery, nodes: Nodes) -> None:
        self._discovery = discovery
        self._nodes = nodes

    def start(self) -> None:
        self._discovery.start(self._nodes.announce)

    def close(self) -> None:
        self._discovery.close()
        self._nodes.close()


def build(
    settings: ControllerSettings,
    drivers: Mapping[str, type[VolumeDriver]],
    serving: Serving,
    discovery: Discovery,
) -> App:
    """All parts, wired; nothing is started yet.

    Raises `Invalid` and `Unavailable` for addresses that cannot be had and certificates that cannot be
    used.
    """
    metrics = Metrics(version())
    nodes = reach(settings.driver_name, serving.tls, metrics)
    # Sidecars begin when this is ready, and nodes may come later.
    status = Status(lambda: True)
    rpcs, groups = announced(drivers.values(), alpha=False), announces(drivers.values())
    services = [
        Identity(plugin(settings.driver_name, drivers, groups=groups), status.ready),
        Controller(nodes, settings.topology_key, rpcs, settings.lost_backends),
        GroupController(nodes, settings.lost_backends, able=groups),
    ]
    server = Server(UnixSocket(endpoint.path(serving.endpoint)), services, metrics)
    shown = {**pages(metrics, status, "starting"), "/healthz": health([discovery, nodes])}
    web = Web(serving.http, shown) if serving.http else None
    return App([server], web, _Routing(discovery, nodes), status, serving.grace)
