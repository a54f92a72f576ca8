"""`hearth all` and `hearth node`: the services on the backends of this machine.

What crosses to the outside is injected here (the door to programs), so that a test can stand in for it.
`hearth all` serves everything on one socket. `hearth node` divides it: Identity and Node for kubelet on a
socket, the registration on another, and Controller and Manage for the rest of Hearth over mutual TLS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from csi.app import fullness, version
from csi.app.callers import callers
from csi.app.identity import plugin
from csi.app.life import GRACE, App, Serves, Status, pages
from csi.controller.adoption import Adoption
from csi.controller.capacity import Capacities
from csi.controller.convert import Place
from csi.controller.group_servicer import GroupController, announces
from csi.controller.groups import Groups
from csi.controller.inventory import Inventory
from csi.controller.provisioner import Provisioner
from csi.controller.servicer import Controller, announced
from csi.manage.servicer import Manage, Rules
from csi.metrics import Metrics
from csi.node.filesystems import Filesystem, filesystems, parse_flags
from csi.node.mounts import Mounts
from csi.node.servicer import Here, Node, rules
from csi.rpc import endpoint
from csi.rpc.door import Admit, Door, everybody
from csi.rpc.endpoint import UnixSocket
from csi.rpc.identity import Identity
from csi.rpc.registration import Plugin, Registrar, Registration
from csi.rpc.server import Server
from csi.rpc.tls import Certificates, TlsPort
from csi.settings import NodeSettings
from csi.web import Web, parse
from drivers.backends import Backend, Backends
from drivers.errors import Precondition
from drivers.exec import Host, Run
from drivers.interface import VolumeDriver
from drivers.locks import Locks
from drivers.model import FsType


@dataclass(frozen=True, slots=True)
class Serving:
    """Where and how to serve. ``http`` is None for no metrics and health."""

    endpoint: str
    http: str | None = None
    alpha: bool = False
    grace: float = GRACE


@dataclass(frozen=True, slots=True)
class Remote:
    """What `hearth node` serves beside: ``registration`` is the endpoint on which kubelet asks who is
    there, ``listen`` the address for the rest of Hearth, ``tls`` the directory with its certificates,
    ``manage`` the endpoint for an administrator on this node."""

    registration: str
    listen: str
    tls: Path
    manage: str


@dataclass(frozen=True, slots=True)
class KubeletEndpoints:
    """Where kubelet looks for the sockets of a plugin."""

    endpoint: str
    registration: str


def kubelet_endpoints(settings: NodeSettings) -> KubeletEndpoints:
    """Those of this plugin; the directory for the first is made if it is missing.

    Raises `Precondition` if it cannot be made.
    """
    home = settings.kubelet_directory / "plugins" / settings.driver_name
    try:
        home.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise Precondition(
            f"{home}, where the socket for kubelet belongs: {error.strerror}"
        ) from None
    registry = settings.kubelet_directory / "plugins_registry"
    return KubeletEndpoints(
        f"unix://{home}/csi.sock", f"unix://{registry}/{settings.driver_name}-reg.sock"
    )


def manage_socket(address: str) -> UnixSocket:
    """The socket for an administrator; its directory is made, for root alone, if it is missing.

    Raises `Precondition` if it cannot be made.
    """
    at = endpoint.path(address)
    try:
        at.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Precondition(
            f"{at.parent}, where the socket of the Manage service belongs: {error.strerror}"
        ) from None
    return UnixSocket(at)


class NodeApp(App):
    """The process, with what a test or the demo looks into."""

    def __init__(
        self, servers: Sequence[Serves], web: Web | None, services: _Services, grace: float
    ) -> None:
        super().__init__(servers, web, services.backends, services.status, grace)
        self.backends = services.backends
        self.provisioner = services.provisioner
        self.inventory = services.inventory
        self.adoption = services.adoption
        self.groups = services.groups
        self.metrics = services.metrics
        self.remote = services.remote
        """Where the rest of Hearth calls."""


def build(
    settings: NodeSettings,
    drivers: Mapping[str, type[VolumeDriver]],
    serving: Serving,
    run: Run | None = None,
    remote: Remote | None = None,
) -> NodeApp:
    """All parts of `hearth all`, wired; with ``remote`` those of `hearth node`.

    ``drivers`` are those installed, ``run`` the door to programs. Raises `Invalid` and `Unavailable` for
    addresses that cannot be had and certificates that cannot be used. Nothing is started yet.
    """
    metrics = Metrics(version())
    services = _Services(settings, drivers, serving.alpha, metrics, run)
    kubelet = UnixSocket(endpoint.path(serving.endpoint))
    servers: Sequence[Serves]
    if remote is None:
        servers = [services.server(kubelet, *services.all)]
    else:
        servers = services.divided(kubelet, serving, remote)
    web_pages = pages(metrics, services.status, "setting backends up")
    web = Web(serving.http, web_pages) if serving.http else None
    return NodeApp(servers, web, services, serving.grace)


class _Services:
    """The services of one machine, on the same backends and locks."""

    def __init__(
        self,
        settings: NodeSettings,
        drivers: Mapping[str, type[VolumeDriver]],
        alpha: bool,
        metrics: Metrics,
        run: Run | None,
    ) -> None:
        self.remote: TlsPort | None = None
        self.metrics = metrics
        self._settings = settings
        self._alpha = alpha
        door = run or Host(observe=metrics.command_ended)
        backends = self.backends = Backends(
            [Backend(each.driver(each.name, each.options, door)) for each in settings.backends]
        )
        metrics.show_backends(backends.told)
        self.status, locks = Status(lambda: backends.settled), Locks()
        mounts = Mounts(settings.kubelet_directory, door)
        check_flags = partial(_check_flags, filesystems(door, mounts))
        self.provisioner = Provisioner(backends, locks, settings.node, check_flags)
        inventory = self.inventory = Inventory(backends, check_flags)
        place = Place(settings.topology_key, settings.node)
        rpcs = announced(drivers.values(), alpha=alpha)
        here = Here(settings.node, {settings.topology_key: settings.node}, alpha)
        able = announces(type(backend.driver) for backend in backends)
        itself = plugin(settings.driver_name, drivers, groups=able)
        self.identity = Identity(itself, self.status.ready)
        groups = self.groups = Groups(backends, locks, metrics.cut_ended)
        self.group_controller = GroupController(groups, able=able)
        self.controller = Controller(self.provisioner, inventory, Capacities(backends), place, rpcs)
        node_rules = rules(backends, locks, mounts, door)
        self.node = Node(node_rules, here)
        if settings.volume_metrics:
            fullness.show(metrics, node_rules.usage.last)
        self.adoption = Adoption(backends, locks)
        everything = Rules(self.provisioner, inventory, self.adoption, groups)
        self.manage = Manage(settings.node, backends, everything)

    @property
    def all(self) -> Sequence[object]:
        """What one process serves that has nobody beside it."""
        controllers = (self.controller, self.group_controller)
        return (self.identity, *controllers, self.node, self.manage)

    def server(self, door: Door, *services: object, admit: Admit = everybody) -> Server:
        return Server(door, services, self.metrics, alpha=self._alpha, admit=admit)

    def divided(self, kubelet: Door, serving: Serving, remote: Remote) -> Sequence[Serves]:
        """For kubelet, for all of Hearth, for an administrator; when they can be had, the registration."""
        certificates = Certificates(remote.tls)
        self.metrics.show_expiry(lambda: certificates.current().expires)
        port = self.remote = TlsPort(*parse(remote.listen), certificates)
        at, local = endpoint.path(remote.registration), manage_socket(remote.manage)

        def register(registration: Registration) -> Server:
            return self.server(UnixSocket(at), registration)

        itself = Plugin(self._settings.driver_name, str(endpoint.path(serving.endpoint)))
        return [
            self.server(kubelet, self.identity, self.node),
            self.server(
                port,
                self.identity,
                self.controller,
                self.group_controller,
                self.manage,
                admit=callers(self._settings.driver_name),
            ),
            self.server(local, self.identity, self.manage),
            Registrar(itself, register),
        ]


def _check_flags(kinds: Mapping[FsType, Filesystem], fs_type: FsType, flags: Sequence[str]) -> None:
    parse_flags(kinds[fs_type], flags)
