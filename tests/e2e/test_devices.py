"""A backend lets LVM see the disks of its volume group alone, whatever else its node's /dev shows."""

from __future__ import annotations

import re

from tests.e2e import cluster
from tests.e2e.kubectl import Kubectl
from tests.e2e.test_faults import pods, system

CONFIGURATION = "/run/hearth/lvm/hearth/lvm.conf"
FILTER = re.compile(r"^\s*global_filter = \[ (?P<rules>.*) \]$", re.MULTILINE)


def rules(kubectl: Kubectl, node: str) -> list[str]:
    (pod,) = pods(kubectl, "node", node)
    text = system(kubectl, "exec", pod, "--container=hearth", "--", "cat", CONFIGURATION)
    found = FILTER.search(text)
    assert found, text
    return found["rules"].split(", ")


def test_the_configuration_of_a_backend_lists_its_devices_alone(
    namespace: Kubectl, nodes: list[str]
) -> None:
    for node in nodes:
        disks = cluster.lvm(node, "vgs", "--options=pv_name").split()
        *accepted, refused = rules(namespace, node)
        assert sorted(accepted) == sorted(f'"a|^{re.escape(disk)}$|"' for disk in disks)
        assert refused == '"r|.*|"'
