"""etcd, API server and the controllers that bind and protect volumes, as processes of this machine."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from csi.kube.api import Api, Refusal, Silent
from csi.kube.client import from_file
from csi.kube.kinds import Kind
from tests.fakes.certificates import Authority

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / "build/cluster/bin"
CHART = ROOT / "deploy/helm/hearth-csi"
SNAPSHOTS = CHART / "charts/snapshot-crds/crds"
DEFINITIONS = (CHART / "crds", SNAPSHOTS)
ADMIN = "token-of-the-administrator"
CONTROLLERS = (
    "persistentvolume-binder-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "serviceaccount-controller",
)
OPERATOR = "system:serviceaccount:hearth-csi:hearth-operator"
AUDIT = "audit.log"
WATCHED = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata", "users": [OPERATOR]}],
}
"""What the API server writes down: everything that an operator asks for."""
NAMESPACE = Kind("v1", "Namespace", "namespaces")
PATIENCE = 180.0


@dataclass(frozen=True, slots=True)
class Plane:
    """A control plane that runs."""

    home: Path
    server: str
    authority: Path

    def kubeconfig(self, name: str, token: str = ADMIN, server: str = "") -> Path:
        """A file to reach it with; ``server`` is somebody in between."""
        cluster = {"server": server or self.server}
        if not server:
            cluster["certificate-authority"] = str(self.authority)
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
        file = self.home / f"{name}.conf"
        file.write_text(yaml.safe_dump(document))
        return file

    def api(self) -> Api:
        """The API, as its administrator."""
        file = self.kubeconfig("admin")
        return Api(lambda: from_file(file))

    def asked(self) -> Iterator[Right]:
        """What operators have asked for so far."""
        for line in (self.home / AUDIT).read_text().splitlines():
            event = json.loads(line)
            if (about := event.get("objectRef")) is not None:
                what = "/".join(filter(None, (about["resource"], about.get("subresource"))))
                yield Right(about.get("apiGroup", ""), what, event["verb"])

    def kubectl(self, *arguments: str, given: str = "", may_fail: bool = False) -> str:
        """What kubectl says."""
        file = self.kubeconfig("admin")
        command = [str(PROGRAMS / "kubectl"), f"--kubeconfig={file}", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        assert may_fail or done.returncode == 0, done.stderr
        return str(done.stdout)


@dataclass(frozen=True, order=True)
class Right:
    """One thing that somebody may do, or has done; ``what`` is a resource, with its part behind a slash."""

    group: str
    what: str
    verb: str


@contextmanager
def running(definitions: Sequence[Path] = DEFINITIONS) -> Iterator[Plane]:
    """A control plane with the kinds of Hearth and of snapshots, or with others, and nothing else."""
    with ExitStack() as closing:
        home = Path(closing.enter_context(tempfile.TemporaryDirectory(prefix="hearth-plane-")))
        ports = dict(zip(("etcd", "peer", "api"), _free_ports(3), strict=True))
        tls = Authority().issue(home / "tls", "localhost")
        _write_keys(home)
        plane = Plane(home, f"https://localhost:{ports['api']}", tls / "ca.crt")
        closing.enter_context(_process(home, "etcd", _etcd(home, ports)))
        closing.enter_context(_process(home, "kube-apiserver", _apiserver(home, tls, ports)))
        _wait(plane)
        flags = _controllers(plane)
        closing.enter_context(_process(home, "kube-controller-manager", flags))
        for folder in definitions:
            plane.kubectl("apply", "--server-side", "--filename", str(folder))
        if definitions:
            plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield plane


def _etcd(home: Path, ports: Mapping[str, int]) -> Mapping[str, str]:
    client, peer = (f"http://127.0.0.1:{ports[each]}" for each in ("etcd", "peer"))
    return {
        "data-dir": str(home / "etcd"),
        "unsafe-no-fsync": "true",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"default={peer}",
        "log-level": "error",
    }


def _apiserver(home: Path, tls: Path, ports: Mapping[str, int]) -> Mapping[str, str]:
    return {
        "etcd-servers": f"http://127.0.0.1:{ports['etcd']}",
        "bind-address": "127.0.0.1",
        "secure-port": str(ports["api"]),
        "service-cluster-ip-range": "10.96.0.0/24",
        "tls-cert-file": str(tls / "tls.crt"),
        "tls-private-key-file": str(tls / "tls.key"),
        "token-auth-file": str(home / "tokens.csv"),
        "authorization-mode": "RBAC",
        "allow-privileged": "true",
        "service-account-key-file": str(home / "sa.pub"),
        "service-account-signing-key-file": str(home / "sa.key"),
        "service-account-issuer": "https://kubernetes.default.svc",
        "audit-policy-file": str(home / "audit.yaml"),
        "audit-log-path": str(home / AUDIT),
    }


def _controllers(plane: Plane) -> Mapping[str, str]:
    return {
        "kubeconfig": str(plane.kubeconfig("controllers")),
        "controllers": ",".join(CONTROLLERS),
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
        "secure-port": "0",
        "service-account-private-key-file": str(plane.home / "sa.key"),
        "pvclaimbinder-sync-period": "2s",
    }


def _write_keys(home: Path) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (home / "sa.key").write_bytes(private)
    (home / "sa.pub").write_bytes(public)
    (home / "audit.yaml").write_text(yaml.safe_dump(WATCHED))
    (home / "tokens.csv").write_text(f'{ADMIN},admin,admin,"system:masters"\n')


def _free_ports(count: int) -> Sequence[int]:
    with ExitStack() as closing:
        sockets = [closing.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def _process(home: Path, name: str, flags: Mapping[str, str]) -> Iterator[None]:
    program = shutil.which(PROGRAMS / name)
    assert program, f"{name} is not built: tools/cluster up --prepare builds it"
    command = [program, *(f"--{key}={value}" for key, value in flags.items())]
    with (home / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(plane: Plane) -> None:
    end = time.monotonic() + PATIENCE
    while not _has_default(plane.api()):
        log = (plane.home / "kube-apiserver.log").read_text()
        assert time.monotonic() < end, log[-3000:]
        time.sleep(0.2)


def _has_default(api: Api) -> bool:
    try:
        return api.get(NAMESPACE, "default") is not None
    except (Refusal, Silent):
        return False
