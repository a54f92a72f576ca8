"""Inside the image, as it runs in the pods: every program is there, every process starts, nothing else is."""

from __future__ import annotations

import pytest

from tests.e2e.kubectl import Kubectl, Refused
from tests.e2e.test_faults import pods, system

PROGRAMS = (
    "lvm", "thin_check", "modprobe", "blkid", "e2fsck", "mkfs.ext4", "tune2fs", "mkfs.xfs", "xfs_admin",
    "xfs_db", "mkfs.btrfs", "btrfstune",
)  # fmt: skip
"""What the code starts, and what these start themselves."""
ABSENT = ("gcc", "cc", "make", "pip", "curl", "wget")
LIBRARY = "import ctypes; ctypes.CDLL('liblvm2cmd.so.2.03')"


@pytest.fixture
def node(namespace: Kubectl) -> str:
    return pods(namespace, "node")[0]


@pytest.fixture
def controller(namespace: Kubectl) -> str:
    return pods(namespace, "controller")[0]


def within(kubectl: Kubectl, pod: str, *command: str) -> str:
    return system(kubectl, "exec", pod, "--container", "hearth", "--", *command)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_is_started_is_there(namespace: Kubectl, node: str, program: str) -> None:
    assert within(namespace, node, "sh", "-c", f"command -v {program}")


@pytest.mark.parametrize("program", ABSENT)
def test_what_nobody_starts_is_not_there(namespace: Kubectl, node: str, program: str) -> None:
    with pytest.raises(Refused):
        within(namespace, node, "sh", "-c", f"command -v {program}")


def test_lvm_can_be_kept_loaded(namespace: Kubectl, node: str) -> None:
    within(namespace, node, "python3", "-c", LIBRARY)


@pytest.mark.parametrize("command", ["node", "controller", "all", "uninstall-check"])
def test_every_process_starts(namespace: Kubectl, controller: str, command: str) -> None:
    assert "usage: hearth" in within(namespace, controller, "hearth", command, "--help")


def test_a_controller_is_nobody_and_can_write_nowhere(namespace: Kubectl, controller: str) -> None:
    assert within(namespace, controller, "id", "-u").strip() == "65532"
    with pytest.raises(Refused, match="Read-only file system"):
        within(namespace, controller, "sh", "-c", "echo > /opt/hearth/x")


def test_a_node_has_no_token(namespace: Kubectl, node: str) -> None:
    with pytest.raises(Refused):
        within(namespace, node, "ls", "/var/run/secrets/kubernetes.io/serviceaccount")


def test_nothing_is_left_of_the_building(namespace: Kubectl, node: str) -> None:
    assert within(namespace, node, "sh", "-c", "ls /var/lib/apt/lists /root").split() == [
        "/root:",
        "/var/lib/apt/lists:",
    ]
