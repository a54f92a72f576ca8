"""Everything together: the API, a node without storage, and the operator as a real process."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from csi.kube.api import Api
from csi.kube.kinds import CLAIM, CLASS, POD, VOLUME_IMPORT, VOLUME_RELEASE, Kind
from csi.metrics import Metrics
from csi.rpc.server import Server
from csi.rpc.tls import Certificates, Only, TlsPort
from tests.fakes.certificates import Authority
from tests.operator.between import Between, between
from tests.operator.plane import ROOT, Plane
from tests.operator.storage import Manage, Node

DRIVER = "hearth-csi.io"
PATIENCE = 120.0
CLASS_NAME = "hearth"


@dataclass
class Bench:
    """What a test works with."""

    plane: Plane
    api: Api
    node: Node
    between: Between
    port: int
    tls: Path
    kubeconfig: Path
    process: subprocess.Popen[bytes] | None = None
    lives: int = 0
    made: list[tuple[Kind, str, str]] = field(default_factory=list)

    def start(self, *arguments: str) -> None:
        """A new life of the operator."""
        self.lives += 1
        command = [
            *(sys.executable, "-m", "csi", "operator", "--service=hearth-node"),
            *("--namespace=hearth", f"--kubeconfig={self.kubeconfig}", f"--tls={self.tls}"),
            *(f"--node={self.node.name}=127.0.0.1:{self.port}", "--grace=5", *arguments),
        ]
        log = (self.plane.home / "operator.log").open("ab")
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT, env=os.environ)
        log.close()

    def kill(self) -> None:
        """End it as a power cut would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def live_for(self, changes: int, is_done: Callable[[], object], lives: int = 60) -> int:
        """Let operator after operator die after so many changes, until it is done; how many it took.

        Each change has been made when the operator dies, and it never learns so.
        """
        left = changes

        def count(_what: str) -> None:
            nonlocal left
            left -= 1
            if left <= 0 and self.process is not None:
                self.process.kill()

        self.between.changed = self.node.changed = count
        while not is_done() and self.lives < lives:
            left = changes
            self.start()
            self.eventually(lambda: is_done() or self._is_dead(), self.log)
            self.kill()
        self.between.changed = self.node.changed = lambda _what: None
        assert is_done(), self.log()[-4000:]
        return self.lives

    def _is_dead(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def log(self) -> str:
        """What the operators said."""
        return (self.plane.home / "operator.log").read_text()

    def create(self, kind: Kind, name: str, spec: Mapping[str, Any], namespace: str = "") -> Any:
        """An object of the test."""
        metadata = {"name": name, **({"namespace": namespace} if namespace else {})}
        document = {"apiVersion": kind.api, "kind": kind.name, "metadata": metadata, "spec": spec}
        self.made.append((kind, name, namespace))
        return self.api.create(kind, document)

    def bring_in(self, name: str, lv: str, **more: Any) -> Any:
        """A VolumeImport of a logical volume, for the claim of the same name."""
        source = {"volumeGroup": self.node.group, "logicalVolume": lv}
        return self.create(VOLUME_IMPORT, name, an_import(name, source, self.node.name) | more)

    def let_go(self, name: str, claim: str, **more: Any) -> Any:
        """A VolumeRelease of a claim."""
        wanted = {"claim": {"namespace": "default", "name": claim}}
        return self.create(VOLUME_RELEASE, name, wanted | more)

    def phase(self, kind: Kind, name: str) -> str:
        """The phase of an object, with its reason."""
        status = self.status(kind, name)
        return " ".join(filter(None, (status.get("phase", ""), status.get("reason", ""))))

    def status(self, kind: Kind, name: str) -> Any:
        """What was told of an object so far."""
        return (self.api.get(kind, name) or {}).get("status") or {}

    def until(self, kind: Kind, name: str, phase: str) -> Any:
        """Wait for a phase; the object."""
        self.eventually(lambda: self.phase(kind, name) == phase, lambda: self.phase(kind, name))
        return self.api.get(kind, name)

    def gone(self, kind: Kind, name: str, namespace: str = "") -> bool:
        """Whether there is no such object."""
        return self.api.get(kind, name, namespace) is None

    def delete(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Ask for a deletion."""
        found = self.api.get(kind, name, namespace)
        assert found
        self.api.delete(kind, found)

    def clear(self) -> None:
        """Take away what the tests made, so that nobody's operator comes upon it."""
        for kind, name, namespace in self.made:
            if self.api.get(kind, name, namespace) is not None:
                self.api.patch(kind, name, {"metadata": {"finalizers": None}}, namespace)
            if (found := self.api.get(kind, name, namespace)) is not None:
                self.api.delete(kind, found)

    def is_plain(self, *names: str) -> bool:
        """Whether the logical volumes are there, and nobody's."""
        return all(not (self.node.lvs[each].id or self.node.lvs[each].owner) for each in names)

    def claim(self, name: str) -> Any:
        """A claim of the test's namespace."""
        return self.api.get(CLAIM, name, "default")

    def eventually(
        self, is_so: Callable[[], object], tell: Callable[[], object] = lambda: ""
    ) -> None:
        """Wait until something is so."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end, f"{tell()}\n{self.log()[-4000:]}"
            time.sleep(0.05)


def an_import(name: str, source: Mapping[str, str], node: str) -> dict[str, Any]:
    """What a VolumeImport asks for."""
    return {
        "node": node,
        "source": source,
        "storageClassName": CLASS_NAME,
        "claim": {"namespace": "default", "name": name},
    }


def pod(bench: Bench, name: str, claim: str) -> None:
    """A pod that has a claim; nobody runs it."""
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": claim}}
    container = {"name": "c", "image": "nothing"}
    spec = {"containers": [container], "volumes": [volume]}
    bench.create(POD, name, spec, "default")


def why(found: Any) -> str:
    """The sentence of the condition that is not met."""
    (message,) = [
        each["message"] for each in found["status"]["conditions"] if each["status"] == "False"
    ]
    return str(message)


def storage_class(name: str, provisioner: str = DRIVER, backend: str = "hearth") -> dict[str, Any]:
    """A StorageClass."""
    return {
        "apiVersion": CLASS.api,
        "kind": CLASS.name,
        "metadata": {"name": name},
        "provisioner": provisioner,
        "volumeBindingMode": "WaitForFirstConsumer",
        "parameters": {"hearth-csi.io/backend": backend},
    }


@contextmanager
def bench(plane: Plane, token: str) -> Iterator[Bench]:
    """A node, and everything that an operator with that ``token`` needs. It is not started."""
    home = plane.home
    authority = Authority()
    node_tls = Certificates(authority.issue(home / "node", f"node.{DRIVER}"))
    tls = authority.issue(home / "operator", f"operator.{DRIVER}")
    port = TlsPort("127.0.0.1", 0, node_tls)
    node = Node()
    admit = Only([f"operator.{DRIVER}"])
    server = Server(port, [Manage(node)], Metrics("0"), admit=admit)
    server.start()
    (home / "operator.log").write_text("")
    with between(plane.server, plane.authority) as someone:
        kubeconfig = plane.kubeconfig("operator", token, someone.address)
        made = Bench(plane, plane.api(), node, someone, port.port, tls, kubeconfig)
        try:
            yield made
        finally:
            made.kill()
            server.stop(1)
            made.clear()
