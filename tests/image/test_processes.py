"""Every process of Hearth starts in the image, as nobody and on a root that cannot be written."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from csi import cli
from csi.cli.arguments import USAGE
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
# What unshare starts is the first process of a container, and ended instead.
SERVE = """
import http.client, os, pathlib, signal, subprocess, sys, time
process = subprocess.Popen(sys.argv[2:])
while process.poll() is None:
    try:
        connection = http.client.HTTPConnection("127.0.0.1:8080")
        connection.request("GET", sys.argv[1])
        if connection.getresponse().status == 200:
            told = process.pid
            if sys.argv[2] == "unshare":
                told = int(pathlib.Path(f"/proc/{told}/task/{told}/children").read_text())
            os.kill(told, signal.SIGTERM)
            break
    except OSError:
        pass
    time.sleep(0.05)
sys.exit(process.wait())
"""
NODE = """
node: n1
kubeletDirectory: /run/kubelet
backends: [{name: scratch, driver: loop, directory: /run/scratch}]
"""
CONTROLLER = "{driverName: hearth-csi.io, service: nodes, namespace: hearth}"
# Nobody answers there: an operator waits for an API that is away.
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: it, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: it, user: {}}]
contexts: [{name: it, context: {cluster: it, user: it}}]
current-context: it
"""
FIRST = ("unshare", "--pid", "--fork", "--kill-child")
SOCKET = "--endpoint=unix:///tmp/csi.sock"


class Process(NamedTuple):
    """How a process is started, which page says that it has, and as whom; "": as the image says."""

    page: str
    arguments: Sequence[str]
    user: str = ""


PROCESSES: Mapping[str, Process] = {
    "all": Process("/readyz", (SOCKET, "--config=/mnt/node.yaml"), ROOT),
    "node": Process(
        "/readyz",
        (
            SOCKET,
            "--config=/mnt/node.yaml",
            "--registration=unix:///tmp/registration.sock",
            "--listen=127.0.0.1:9810",
            "--tls=/mnt/node",
        ),
        ROOT,
    ),
    "controller": Process(
        "/healthz",
        (
            SOCKET,
            "--config=/mnt/controller.yaml",
            "--tls=/mnt/controller",
            "--node=n1=127.0.0.1:1",
        ),
    ),
    "operator": Process(
        "/healthz",
        (
            "--service=nodes",
            "--namespace=hearth",
            "--kubeconfig=/mnt/kubeconfig",
            "--tls=/mnt/operator",
            "--node=n1=127.0.0.1:1",
        ),
    ),
}


def test_it_tells_its_version(container: Container) -> None:
    assert re.fullmatch(r"hearth \d+\.\d+\.\d+\n", container.run("hearth", "--version"))


def test_it_has_the_drivers(container: Container) -> None:
    names = {line.split()[0] for line in container.run("hearth", "drivers").splitlines()[1:]}
    assert names == {"loop", "lvm"}


def commands() -> Mapping[str, argparse.ArgumentParser]:
    """All that `hearth` can be told to do; read from the code, as a list of ours would be short one day."""
    (found,) = (
        action
        for action in cli._parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    choices: Mapping[str, argparse.ArgumentParser] = found.choices
    return choices


def processes() -> set[str]:
    """Those that serve until they are told to stop."""
    return {name for name, each in commands().items() if "--grace" in each._option_string_actions}


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood(container: Container, command: str) -> None:
    assert f"usage: hearth {command}" in container.run("hearth", command, "--help")


def test_nothing_that_it_imports_is_missing(container: Container) -> None:
    container.run("python3", "-c", IMPORT_ALL)


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """A folder that nobody may read too, as ConfigMaps and Secrets are mounted in a pod."""
    tmp_path.chmod(0o755)
    (tmp_path / "node.yaml").write_text(NODE)
    (tmp_path / "controller.yaml").write_text(CONTROLLER)
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    authority = Authority()
    for role in ("node", "controller", "operator"):
        for path in authority.issue(tmp_path / role, f"{role}.hearth-csi.io").iterdir():
            path.chmod(0o644)
    return tmp_path


def test_each_process_is_started_here() -> None:
    assert processes() == PROCESSES.keys()


@pytest.mark.parametrize("process", PROCESSES)
def test_it_serves(container: Container, given: Path, process: str) -> None:
    """To the end of its start: that is where it looks for what might be missing."""
    its = PROCESSES[process]
    command = ("hearth", process, "--http=127.0.0.1:8080", *its.arguments)
    container.run("python3", "-c", SERVE, its.page, *command, user=its.user, given=given)


def test_it_serves_as_the_first_process_of_a_container(container: Container, given: Path) -> None:
    """The kernel hands that one no signal that it has not asked for."""
    its = PROCESSES["all"]
    command = (*FIRST, "hearth", "all", "--http=127.0.0.1:8080", *its.arguments)
    container.run("python3", "-c", SERVE, its.page, *command, user=its.user, given=given)


def test_its_exit_status_is_that_of_what_was_started(container: Container, given: Path) -> None:
    assert container.attempt(["hearth", "no-such-command"], given=given).returncode == USAGE
