"""The control plane: etcd, API server, controller manager and scheduler, as processes of this machine."""

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tools.clusterkit import errors, plan, processes
from tools.clusterkit.layout import Layout

ETCD = "http://127.0.0.1:2379"
PATIENCE = 90.0
PAUSE = 0.1


def commands(layout: Layout) -> dict[str, list[str]]:
    """The command line of each part, in the order they are started."""
    return {
        "etcd": [str(layout.binaries / "etcd"), *_flags(_etcd(layout))],
        "apiserver": [str(layout.binaries / "kube-apiserver"), *_flags(_apiserver(layout))],
        "controller-manager": [
            str(layout.binaries / "kube-controller-manager"),
            *_flags(_client(layout, "controller-manager") | _controllers(layout)),
        ],
        "scheduler": [
            str(layout.binaries / "kube-scheduler"),
            *_flags(_client(layout, "scheduler")),
        ],
    }


def database(layout: Layout) -> Path:
    """Where etcd has everything that the API knows."""
    return layout.state / "etcd"


def start_storage(layout: Layout) -> None:
    """Start what the others talk to."""
    for name in ("etcd", "apiserver"):
        _start(layout, name)


def start_controllers(layout: Layout) -> None:
    """Start the rest; before the API server is ready the controller manager would give up."""
    _wait_until_ready(layout)
    for name in ("controller-manager", "scheduler"):
        _start(layout, name)


def _start(layout: Layout, name: str) -> None:
    record = layout.processes / name
    if processes.leader(record) is None:
        log = layout.logs / f"{name}.log"
        processes.start(commands(layout)[name], record=record, log=log)


def _wait_until_ready(layout: Layout) -> None:
    """Ask until /readyz says yes."""
    trust = ssl.create_default_context(cafile=str(layout.keys / "ca.crt"))
    end = time.monotonic() + PATIENCE
    while not _is_ready(trust):
        if time.monotonic() > end:
            log = layout.logs / "apiserver.log"
            raise errors.ClusterFailed(f"no API server within {PATIENCE:.0f} s: see {log}")
        time.sleep(PAUSE)


def _is_ready(trust: ssl.SSLContext) -> bool:
    address = f"https://{plan.GATEWAY}/readyz"
    try:
        with urllib.request.urlopen(address, context=trust, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _etcd(layout: Layout) -> Mapping[str, str]:
    return {
        "data-dir": str(database(layout)),
        "unsafe-no-fsync": "true",
        "listen-client-urls": ETCD,
        "advertise-client-urls": ETCD,
        "listen-peer-urls": "http://127.0.0.1:2380",
        "log-level": "warn",
    }


def _apiserver(layout: Layout) -> Mapping[str, str]:
    keys = layout.keys
    return {
        "etcd-servers": ETCD,
        "bind-address": "0.0.0.0",  # noqa: S104  (also the address of the Service)
        "secure-port": "443",
        "advertise-address": plan.GATEWAY,
        "service-cluster-ip-range": plan.SERVICES,
        "client-ca-file": str(keys / "ca.crt"),
        "tls-cert-file": str(keys / "apiserver.crt"),
        "tls-private-key-file": str(keys / "apiserver.key"),
        "authorization-mode": "Node,RBAC",
        "allow-privileged": "true",
        "kubelet-client-certificate": str(keys / "kubelet-client.crt"),
        "kubelet-client-key": str(keys / "kubelet-client.key"),
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-key-file": str(keys / "sa.pub"),
        "service-account-signing-key-file": str(keys / "sa.key"),
        "service-account-issuer": "https://kubernetes.default.svc",
        # Nobody has that name; but controllers complain for ever where no authority is given.
        "requestheader-client-ca-file": str(keys / "ca.crt"),
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
    }


def _client(layout: Layout, name: str) -> dict[str, str]:
    file = str(layout.keys / f"{name}.conf")
    return {
        "kubeconfig": file,
        "authentication-kubeconfig": file,
        "authorization-kubeconfig": file,
        "leader-elect": "false",
        "bind-address": "127.0.0.1",
    }


def _controllers(layout: Layout) -> dict[str, str]:
    return {
        "use-service-account-credentials": "true",
        "root-ca-file": str(layout.keys / "ca.crt"),
        "service-account-private-key-file": str(layout.keys / "sa.key"),
        "service-cluster-ip-range": plan.SERVICES,
        "attach-detach-reconcile-sync-period": "10s",
        "pvclaimbinder-sync-period": "5s",
    }


def _flags(values: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in values.items()]
