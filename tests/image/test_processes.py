"""Every process of Hearth starts in the image, as nobody and on a root that cannot be written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.image.container import ROOT, Container

IMPORT_ALL = """
import importlib, pkgutil, csi, drivers
for package in (csi, drivers):
    for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        # The kit needs pytest, and a main module would run.
        if "compliance" not in each.name and "__main__" not in each.name:
            importlib.import_module(each.name)
"""
# Starts what its arguments say, waits until it is ready or alive, ends it; its exit status is ours.
SERVE = """
import http.client, subprocess, sys, time
process = subprocess.Popen(sys.argv[2:])
while process.poll() is None:
    try:
        connection = http.client.HTTPConnection("127.0.0.1:8080")
        connection.request("GET", sys.argv[1])
        if connection.getresponse().status == 200:
            process.terminate()
            break
    except OSError:
        pass
    time.sleep(0.05)
sys.exit(process.wait())
"""
SOCKETS = ("--endpoint=unix:///tmp/csi.sock", "--http=127.0.0.1:8080")
NODE = "{node: n1, backends: [{name: scratch, driver: loop, directory: /run/scratch}]}"
CONTROLLER = "{driverName: hearth-csi.io, service: nodes, namespace: hearth}"


def test_it_tells_its_version(container: Container) -> None:
    assert re.fullmatch(r"hearth \d+\.\d+\.\d+\n", container.run("hearth", "--version"))


def test_it_has_the_drivers(container: Container) -> None:
    names = {line.split()[0] for line in container.run("hearth", "drivers").splitlines()[1:]}
    assert names == {"loop", "lvm"}


@pytest.mark.parametrize("process", ["node", "controller", "all", "uninstall-check"])
def test_it_starts_as_nobody(container: Container, process: str) -> None:
    assert f"usage: hearth {process}" in container.run("hearth", process, "--help")


def test_nothing_that_it_imports_is_missing(container: Container) -> None:
    container.run("python3", "-c", IMPORT_ALL)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder that nobody may read too, as ConfigMaps and Secrets are mounted in a pod."""
    tmp_path.chmod(0o755)
    (tmp_path / "node.yaml").write_text(NODE)
    (tmp_path / "controller.yaml").write_text(CONTROLLER)
    for path in Authority().issue(tmp_path / "tls", "controller.hearth-csi.io").iterdir():
        path.chmod(0o644)
    return tmp_path


def test_it_serves_a_backend(container: Container, given: Path) -> None:
    command = ("hearth", "all", "--config=/mnt/node.yaml", *SOCKETS)
    container.run("python3", "-c", SERVE, "/readyz", *command, user=ROOT, given=given)


def test_it_routes_as_nobody(container: Container, given: Path) -> None:
    its = ("--config=/mnt/controller.yaml", "--tls=/mnt/tls", "--node=n1=127.0.0.1:1")
    command = ("hearth", "controller", *its, *SOCKETS)
    container.run("python3", "-c", SERVE, "/healthz", *command, given=given)
