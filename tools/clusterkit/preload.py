"""Images put into a node's root disk before it boots.

A node could import them itself, and does where this is not possible; but it has one slow core, and every
node of every cluster would do the same work again.
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.clusterkit import errors
from tools.clusterkit.layout import Layout

# What importing does not need, and would leave something on this machine.
PLUGINS_LEFT_OUT = (
    *("cri.v1.images", "cri.v1.runtime", "grpc.v1.cri", "podsandbox.controller.v1.podsandbox"),
    *("internal.v1.opt", "nri.v1.nri", "monitor.task.v1.cgroups", "runtime.v2.task"),
)
PATIENCE = 30.0
PAUSE = 0.05
ENVIRONMENT = {"PATH": f"{os.defpath}:/sbin:/usr/sbin", "HOME": "/"}


def fill(layout: Layout, tree: Path, archives: Sequence[Path]) -> None:
    """Import archives into the containerd folder of a root tree, as a node would."""
    with _containerd(layout, tree / "var/lib/containerd") as socket:
        for archive in archives:
            _ctr(layout, socket, "--namespace=k8s.io", "images", "import", "--local", str(archive))


def configuration(root: Path, state: Path) -> str:
    """For a containerd that serves nobody else."""
    left_out = ", ".join(json.dumps(f"io.containerd.{name}") for name in PLUGINS_LEFT_OUT)
    return f"""\
version = 3
root = {json.dumps(str(root))}
state = {json.dumps(str(state / "state"))}
disabled_plugins = [{left_out}]

[grpc]
  address = {json.dumps(str(state / "socket"))}
"""


@contextmanager
def _containerd(layout: Layout, root: Path) -> Iterator[Path]:
    """Run containerd on a folder of this machine; gives its socket."""
    with tempfile.TemporaryDirectory(prefix="hearth-cluster-") as name:
        state = Path(name)
        (state / "config.toml").write_text(configuration(root, state))
        command = [str(layout.binaries / "containerd"), f"--config={state / 'config.toml'}"]
        with (state / "log").open("wb") as log:
            process = subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log)
        try:
            _wait(layout, state, process)
            yield state / "socket"
        finally:
            process.terminate()
            process.wait()


def _wait(layout: Layout, state: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        try:
            _ctr(layout, state / "socket", "version")
        except errors.ClusterFailed:
            time.sleep(PAUSE)
        else:
            return
    last = (state / "log").read_text(errors="replace").splitlines()[-1:]
    raise errors.ClusterFailed(f"containerd does not start here: {' '.join(last)}")


def _ctr(layout: Layout, socket: Path, *arguments: str) -> None:
    command = [str(layout.binaries / "ctr"), f"--address={socket}", *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{' '.join(command)}: {done.stderr.strip()}")
