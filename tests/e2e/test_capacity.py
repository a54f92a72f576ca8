"""The scheduler knows how much room there is on each node, and goes to the next."""

from __future__ import annotations

import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import Kubectl, until
from tests.e2e.test_faults import numbered
from tests.e2e.test_volumes import node_of


def sized(name: str, number: int, size: str) -> str:
    made = list(yaml.safe_load_all(numbered(name, number)))
    made[0]["spec"]["resources"]["requests"]["storage"] = size
    made[0]["spec"]["storageClassName"] = "hearth-thick"
    return yaml.safe_dump_all(made)


def free(node: str) -> int:
    return int(float(cluster.lvm(node, "vgs", "--units=m", "--nosuffix", "--options=vg_free")))


def test_pods_that_do_not_fit_on_a_node_go_to_the_next(kubectl: Kubectl, nodes: list[str]) -> None:
    size = max(free(node) for node in nodes) * 6 // 10
    for number in range(len(nodes)):
        kubectl.apply(sized("large", number, f"{size}Mi"))
    for number in range(len(nodes)):
        kubectl.ready(f"large-{number}", 240)
    assert {node_of(kubectl, f"large-{number}") for number in range(len(nodes))} == set(nodes)


def test_the_capacity_that_kubernetes_sees_follows(kubectl: Kubectl, nodes: list[str]) -> None:
    def seen() -> dict[str, str]:
        found = kubectl.items("csistoragecapacities", "--all-namespaces")
        return {
            each["nodeTopology"]["matchLabels"]["topology.hearth-csi.io/node"]: each["capacity"]
            for each in found
            if each["storageClassName"] == "hearth-thick"
        }

    until(lambda: set(seen()) == set(nodes), "there is a capacity for each node")
    before = seen()
    kubectl.apply(sized("some", 0, "256Mi"))
    kubectl.ready("some-0")
    node = node_of(kubectl, "some-0")
    until(lambda: seen()[node] != before[node], "the capacity of the node has changed")
