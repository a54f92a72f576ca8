"""Nodes and a controller in this process: drivers in memory, real ports with TLS, a real socket.

Each node is what `hearth node` runs, and the controller what `hearth controller` runs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from csi.app import controller
from csi.app.life import App
from csi.app.node import NodeApp, Remote, Serving, build
from csi.rpc.client import Client
from csi.settings import BackendSettings, ControllerSettings, NodeSettings
from tests.fakes.bench import driver_of
from tests.fakes.certificates import Authority
from tests.fakes.memory import REGISTRY, MemoryDriver, MemoryOptions, PlainDriver

DRIVER = "hearth-csi.io"
Drivers = Mapping[str, tuple[type[PlainDriver], MemoryOptions]]


@dataclass
class Cluster:
    """What runs, and where."""

    home: Path
    authority: Authority = field(default_factory=Authority)
    nodes: dict[str, NodeApp] = field(default_factory=dict)
    addresses: dict[str, str] = field(default_factory=dict)
    announce: Callable[[Mapping[str, str]], None] = lambda _addresses: None

    def tls(self, role: str) -> Path:
        """The directory with the certificate of a role."""
        return self.home / "tls" / role

    def boot(self, name: str, backends: Drivers) -> NodeApp:
        """A node that comes up, at the port it had before if it had one."""
        directory = self.home / name
        directory.mkdir(exist_ok=True)
        settings = NodeSettings(
            node=name,
            driver_name=DRIVER,
            kubelet_directory=directory,
            backends=tuple(
                BackendSettings(each, driver, options)
                for each, (driver, options) in backends.items()
            ),
        )
        port = self.addresses.get(name, ":0").rpartition(":")[2]
        remote = Remote(
            f"unix://{directory}/reg.sock",
            f"127.0.0.1:{port}",
            self.tls("node"),
            f"unix://{directory}/manage.sock",
        )
        serving = Serving(f"unix://{directory}/csi.sock", grace=2.0)
        app = build(settings, REGISTRY.drivers, serving, remote=remote)
        app.start()
        for backend in app.backends:
            assert backend.set_up().wait(5)
        assert app.remote
        self.nodes[name] = app
        self.addresses[name] = f"127.0.0.1:{app.remote.port}"
        self.announce(self.addresses)
        return app

    def kill(self, name: str) -> None:
        """The node goes away and stays announced."""
        self.nodes.pop(name).stop()

    def driver(self, node: str, backend: str = "fast") -> PlainDriver:
        """A node's driver, to look into it."""
        return driver_of(self.nodes[node], backend)


class Announced:
    """The nodes of a cluster, as an informer would tell them."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def start(self, announce: Callable[[Mapping[str, str]], None]) -> None:
        self._cluster.announce = announce
        announce(self._cluster.addresses)

    def close(self) -> None:
        self._cluster.announce = lambda _addresses: None

    def alive(self) -> bool:
        return True


@contextmanager
def cluster(*names: str) -> Iterator[Cluster]:
    """Nodes of these names, with a backend ``fast`` each."""
    with tempfile.TemporaryDirectory(prefix="hearth-") as directory, ExitStack() as closing:
        made = Cluster(Path(directory))
        closing.callback(lambda: [app.stop() for app in made.nodes.values()])
        for role in ("node", "controller", "operator", "admin", "intruder"):
            made.authority.issue(made.tls(role), f"{role}.{DRIVER}")
        for name in names:
            made.boot(name, {"fast": (MemoryDriver, MemoryOptions(backend_id=f"memory{name}"))})
        yield made


@contextmanager
def routed(made: Cluster, *lost: str, replica: str = "a") -> Iterator[Client]:
    """A controller for the cluster, and a client of it."""
    endpoint = f"unix://{made.home}/{replica}.sock"
    app = router(made, endpoint, *lost)
    app.start()
    try:
        with Client(endpoint) as client:
            yield client
    finally:
        app.stop()


def router(made: Cluster, endpoint: str, *lost: str) -> App:
    """A controller for the cluster, not yet started."""
    settings = ControllerSettings("hearth-nodes", "hearth", DRIVER, lost)
    serving = controller.Serving(endpoint, made.tls("controller"), grace=2.0)
    return controller.build(settings, REGISTRY.drivers, serving, Announced(made))


def eventually(is_so: Callable[[], object]) -> None:
    """Wait until something is so, which somebody else will see to."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)
