"""`hearth all` as a process, from its start to its orderly end."""

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


@dataclass(frozen=True, slots=True)
class Serving:
    """A process that answers. ``kubelet`` is where targets may lie, ``log`` what it has said."""

    endpoint: str
    kubelet: Path
    log: Path


@contextmanager
def serving(folder: Path, backend: str, *options: str) -> Iterator[Serving]:
    """Run `hearth all` with one backend, given as YAML in one line, and end it by SIGTERM.

    Fails if it does not answer, or does not end with status 0.
    """
    served = Serving(f"unix://{folder}/csi.sock", folder / "kubelet", folder / "log")
    served.kubelet.mkdir()
    config = folder / "node.yaml"
    config.write_text(f"node: sanity\nkubeletDirectory: {served.kubelet}\nbackends: [{backend}]\n")
    command = [sys.executable, "-m", "csi", "all"]
    command += ["--config", str(config), "--endpoint", served.endpoint, *options]
    with served.log.open("w") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            _await(served, process)
            yield served
        finally:
            process.terminate()
            process.wait(timeout=60)
    assert process.returncode == 0, served.log.read_text()[-4000:]


def _await(served: Serving, process: subprocess.Popen[bytes]) -> None:
    """Return when the process answers; fail as soon as it has ended instead."""
    with Client(served.endpoint) as client:
        while process.poll() is None:
            with suppress(grpc.RpcError):
                client.identity.Probe(csi_pb2.ProbeRequest(), timeout=5, wait_for_ready=True)
                return
    raise AssertionError(served.log.read_text())
