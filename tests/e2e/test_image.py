"""What only a pod shows of the image: who it runs as, and what it cannot reach."""

from __future__ import annotations

import pytest

from tests.e2e.kubectl import Kubectl, Refused
from tests.e2e.test_faults import pods, system


@pytest.fixture
def node(namespace: Kubectl) -> str:
    return pods(namespace, "node")[0]


@pytest.fixture
def controller(namespace: Kubectl) -> str:
    return pods(namespace, "controller")[0]


def within(kubectl: Kubectl, pod: str, *command: str) -> str:
    return system(kubectl, "exec", pod, "--container", "hearth", "--", *command)


def test_a_controller_is_nobody_and_can_write_nowhere(namespace: Kubectl, controller: str) -> None:
    assert within(namespace, controller, "id", "-u").strip() == "65532"
    with pytest.raises(Refused, match="Read-only file system"):
        within(namespace, controller, "sh", "-c", "echo > /opt/hearth/x")


def test_a_node_has_no_token(namespace: Kubectl, node: str) -> None:
    with pytest.raises(Refused, match="No such file"):
        within(namespace, node, "ls", "/var/run/secrets/kubernetes.io/serviceaccount")
