"""The composition root: the one place that knows every box, and the life of the process.

What crosses to the outside is injected here (the door to programs), so that a test can stand in for
it. Start: listen first, then set the backends up, because kubelet waits for the socket and not for
disks. Stop: say so, let calls in work end, then the drivers' background work.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from importlib import metadata
from queue import SimpleQueue

from csi.controller.capacity import Capacities
from csi.controller.convert import Place
from csi.controller.inventory import Inventory
from csi.controller.provisioner import Provisioner
from csi.controller.servicer import Controller, announced
from csi.metrics import CONTENT_TYPE, Metrics
from csi.node.filesystems import Filesystem, filesystems, parse_flags
from csi.node.mounts import Mounts
from csi.node.servicer import Here, Node, rules
from csi.rpc import endpoint
from csi.rpc.identity import Identity, Plugin
from csi.rpc.server import Server
from csi.settings import NodeSettings
from csi.spec import csi_pb2
from csi.web import Answer, Web
from drivers.backends import Backend, Backends
from drivers.exec import Host, Run
from drivers.interface import VolumeDriver
from drivers.locks import Locks
from drivers.model import FsType

log = logging.getLogger(__name__)

ServiceType = csi_pb2.PluginCapability.Service
ExpansionType = csi_pb2.PluginCapability.VolumeExpansion

GRACE = 25.0
"""Seconds that calls in work have to end; kubelet kills 30 s after it asked to stop."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how to serve. ``http`` is None for no metrics and health."""

    endpoint: str
    http: str | None = None
    alpha: bool = False
    grace: float = GRACE


class App:
    """One process: its parts, started together and stopped in order."""

    def __init__(
        self,
        server: Server,
        web: Web | None,
        backends: Backends,
        provisioner: Provisioner,
        status: Status,
        grace: float,
    ) -> None:
        self.backends = backends
        self.provisioner = provisioner
        self.web = web
        self._server = server
        self._status = status
        self._grace = grace

    def start(self) -> None:
        """Listen, then begin to set the backends up. Raises `InUse` if another server listens there."""
        self._server.start()
        if self.web:
            self.web.start()
        self.backends.start()

    def stop(self) -> bool:
        """End in order; whether all calls had ended within the grace."""
        self._status.stopping = True
        done = self._server.stop(self._grace)
        self.backends.close()
        if self.web:
            self.web.stop()
        return done

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        # Not an Event: a handler runs between two steps of this thread, and where that is inside of
        # Event.wait, which has its lock then, Event.set would wait for ever. SimpleQueue.put may.
        asked: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: asked.put(number))
        self.start()
        log.info("serving")
        asked.get()
        log.info("stopping: letting calls end for at most %.0f s", self._grace)
        if not self.stop():
            log.warning("calls were still in work after %.0f s; they will be repeated", self._grace)


@dataclass(slots=True)
class Status:
    """Whether the process takes calls, for Probe and /readyz."""

    backends: Backends
    stopping: bool = False

    def ready(self) -> bool:
        """From the first set-up of every backend, however it ended, until the end is announced."""
        return self.backends.settled and not self.stopping


def build(
    settings: NodeSettings,
    drivers: Mapping[str, type[VolumeDriver]],
    serving: Serving,
    run: Run | None = None,
) -> App:
    """All parts of `hearth all`, wired. ``drivers`` are those installed, ``run`` the door to programs.

    Raises `Invalid` and `Unavailable` for addresses that cannot be had. Nothing is started yet.
    """
    metrics = Metrics(version())
    door = run or Host(observe=metrics.command_ended)
    backends = Backends(
        [Backend(each.driver(each.name, each.options, door)) for each in settings.backends]
    )
    metrics.show_backends(backends.told)
    status, locks = Status(backends), Locks()
    mounts = Mounts(settings.kubelet_directory, door)
    check_flags = partial(_check_flags, filesystems(door, mounts))
    provisioner = Provisioner(backends, locks, settings.node, check_flags)
    inventory = Inventory(backends, check_flags)
    place = Place(settings.topology_key, settings.node)
    rpcs = announced(drivers.values(), alpha=serving.alpha)
    here = Here(settings.node, {settings.topology_key: settings.node}, serving.alpha)
    services = [
        Identity(_plugin(settings, drivers), status.ready),
        Controller(provisioner, inventory, Capacities(backends), place, rpcs),
        Node(rules(backends, locks, mounts, door), here),
    ]
    at = endpoint.path(serving.endpoint)
    server = Server(at, services, metrics, alpha=serving.alpha)
    web = Web(serving.http, _pages(metrics, status)) if serving.http else None
    return App(server, web, backends, provisioner, status, serving.grace)


def version() -> str:
    """The version of Hearth that is installed."""
    return metadata.version("hearth-csi")


def _check_flags(kinds: Mapping[FsType, Filesystem], fs_type: FsType, flags: Sequence[str]) -> None:
    parse_flags(kinds[fs_type], flags)


def _plugin(settings: NodeSettings, drivers: Mapping[str, type[VolumeDriver]]) -> Plugin:
    return Plugin(
        name=settings.driver_name,
        version=version(),
        services=(
            ServiceType.CONTROLLER_SERVICE,
            ServiceType.VOLUME_ACCESSIBILITY_CONSTRAINTS,
        ),
        expansion=(ExpansionType.ONLINE,),
        manifest={f"driver.{name}": driver.VERSION for name, driver in sorted(drivers.items())},
    )


def _pages(metrics: Metrics, status: Status) -> Mapping[str, Callable[[], Answer]]:
    def ready() -> Answer:
        if status.ready():
            return Answer(b"ready\n")
        reason = b"stopping\n" if status.stopping else b"setting backends up\n"
        return Answer(reason, HTTPStatus.SERVICE_UNAVAILABLE)

    return {
        "/metrics": lambda: Answer(metrics.page(), content_type=CONTENT_TYPE),
        "/healthz": lambda: Answer(b"alive\n"),
        "/readyz": ready,
    }
