"""`hearth all`, and `hearth node` with `hearth controller`: from their start to their orderly end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc

from csi.rpc.client import Client
from csi.spec import csi_pb2
from tests.fakes.certificates import Authority


@dataclass(frozen=True, slots=True)
class Serving:
    """A plugin that answers. ``kubelet`` is where targets may lie, ``log`` what it has said."""

    endpoint: str
    controller: str
    """The endpoint of its Controller service."""
    kubelet: Path
    log: Path


@contextmanager
def serving(folder: Path, backend: str, *options: str) -> Iterator[Serving]:
    """Run `hearth all` with one backend, given as YAML in one line, and end it by SIGTERM.

    Fails if it does not answer, or does not end with status 0.
    """
    endpoint = f"unix://{folder}/csi.sock"
    served = Serving(endpoint, endpoint, folder / "kubelet", folder / "log")
    arguments = ["all", "--config", _node_config(served, backend), "--endpoint", endpoint]
    with _running(served.log, endpoint, *arguments, *options):
        yield served


@contextmanager
def routed(folder: Path, backend: str, *options: str) -> Iterator[Serving]:
    """As `serving`, with a controller that reaches the node over TLS, as in a cluster."""
    endpoint, controller = f"unix://{folder}/csi.sock", f"unix://{folder}/controller.sock"
    served = Serving(endpoint, controller, folder / "kubelet", folder / "log")
    authority = Authority()
    for role in ("node", "controller"):
        authority.issue(folder / role, f"{role}.hearth-csi.io")
    node = ["node", "--config", _node_config(served, backend), "--endpoint", endpoint]
    node += ["--listen", "127.0.0.1:9810", "--tls", f"{folder}/node"]
    node += ["--registration", f"unix://{folder}/registration.sock"]
    config = folder / "controller.yaml"
    config.write_text("service: hearth-nodes\nnamespace: hearth\n")
    router = ["controller", "--config", str(config), "--endpoint", controller]
    router += ["--node", "sanity=127.0.0.1:9810", "--tls", f"{folder}/controller"]
    with (
        _running(served.log, endpoint, *node, *options),
        _running(folder / "controller.log", controller, *router, *options),
    ):
        yield served


def _node_config(served: Serving, backend: str) -> str:
    served.kubelet.mkdir()
    config = served.kubelet.parent / "node.yaml"
    config.write_text(f"node: sanity\nkubeletDirectory: {served.kubelet}\nbackends: [{backend}]\n")
    return str(config)


@contextmanager
def _running(said: Path, endpoint: str, *arguments: str) -> Iterator[None]:
    command = [sys.executable, "-m", "csi", *arguments]
    with said.open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            _await(endpoint, process, said)
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)
    assert process.returncode == 0, said.read_text()[-4000:]


def _await(endpoint: str, process: subprocess.Popen[bytes], said: Path) -> None:
    """Return when the process answers; fail as soon as it has ended instead."""
    with Client(endpoint) as client:
        while process.poll() is None:
            with suppress(grpc.RpcError):
                client.identity.Probe(csi_pb2.ProbeRequest(), timeout=5, wait_for_ready=True)
                return
    raise AssertionError(said.read_text())
