"""What dies comes back by itself, and nothing is lost or left over."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import EXAMPLES, SYSTEM, Kubectl, until
from tests.e2e.test_volumes import node_of

NODE_NAME = "jsonpath={.spec.nodeName}"


def system(kubectl: Kubectl, *arguments: str) -> str:
    return kubectl("--namespace", SYSTEM, *arguments)


def pods(kubectl: Kubectl, component: str, node: str = "") -> list[str]:
    selected = [f"--selector=app.kubernetes.io/component={component}"]
    if node:
        selected.append(f"--field-selector=spec.nodeName={node}")
    said = system(kubectl, "get", "pods", *selected, "--output", "name")
    return [line.removeprefix("pod/") for line in said.split()]


def slay(node: str, process: str, alone: bool = False) -> None:
    """SIGKILL for a process of Hearth in its pod on a node; kubelet starts it again.

    The container's first process is killed too, and with it everything in there, or it is left ``alone`` to
    end by itself.
    """
    # In brackets, so that the shell with this text in its arguments does not match.
    newest = "-n" if alone else ""
    cluster.on(node, f"pkill -KILL {newest} -f 'pytho[n]3 .*-m csi {process} '")


def numbered(name: str, number: int) -> str:
    """An example's claim and pod under names of their own."""
    made = []
    for file in ("pvc.yaml", "pod.yaml"):
        text = (EXAMPLES / file).read_text()
        each = yaml.safe_load(text)
        each["metadata"]["name"] = f"{name}-{number}"
        if each["kind"] == "Pod":
            claim = each["spec"]["volumes"][0]["persistentVolumeClaim"]
            claim["claimName"] = f"{name}-{number}"
        else:
            each["spec"]["resources"]["requests"]["storage"] = "16Mi"
        made.append(each)
    return yaml.safe_dump_all(made)


def test_many_volumes_are_made_while_node_processes_and_a_controller_are_killed(
    kubectl: Kubectl, nodes: list[str]
) -> None:
    names = [f"many-{number}" for number in range(8)]
    for number in range(8):
        kubectl.apply(numbered("many", number))
    until(lambda: any(cluster.volumes(node) for node in nodes), "the first of the volumes is there")
    router = system(kubectl, "get", "pod", pods(kubectl, "controller")[0], "--output", NODE_NAME)
    victims = [(node, "node", node == nodes[0]) for node in nodes] + [(router, "controller", True)]
    with ThreadPoolExecutor(len(victims)) as killers:
        list(killers.map(lambda victim: slay(*victim), victims))
    for name in names:
        kubectl.ready(name, 300)
    held = sum(len(cluster.volumes(node)) for node in nodes)
    assert held == len(names), "each claim has one volume, and there is no other"


def test_fifty_claims_with_pods_at_once(kubectl: Kubectl, nodes: list[str]) -> None:
    names = [f"crowd-{number}" for number in range(50)]
    kubectl.apply("---\n".join(numbered("crowd", number) for number in range(50)))
    ready = [f"pod/{name}" for name in names]
    kubectl("wait", "--for=condition=Ready", "--timeout=480s", *ready, timeout=500)
    assert sum(len(cluster.volumes(node)) for node in nodes) == len(names)
    kubectl.delete("pods", *names, seconds=300)
    kubectl.delete("pvc", *names, seconds=300)


def test_a_node_that_is_killed_comes_back_with_its_data(kubectl: Kubectl) -> None:
    kubectl.example("pvc.yaml")
    kubectl.example("pod.yaml")
    kubectl.ready("writer")
    node = node_of(kubectl, "writer")
    assert (
        kubectl.sh("writer", "echo before >> /data/log; sync; cat /data/log").count("before") == 1
    )
    cluster.tool("node", "kill", node)
    cluster.tool("node", "boot", node)
    until(
        lambda: kubectl.sh("writer", "grep -c before /data/log").strip() == "1",
        "the pod runs again, and what was synced is there",
        300,
    )


def test_a_kubelet_that_restarts_knows_the_driver_again(kubectl: Kubectl, nodes: list[str]) -> None:
    before = cluster.on(nodes[0], "pgrep -x kubelet").strip()
    cluster.on(nodes[0], "pkill -x kubelet")
    until(
        lambda: cluster.on(nodes[0], "pgrep -x kubelet || true").strip() not in ("", before),
        "there is another kubelet",
    )
    claim, pod = yaml.safe_load_all(numbered("after", 0))
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": nodes[0]}
    kubectl.apply(yaml.safe_dump_all([claim, pod]))
    kubectl.ready("after-0", 240)


def test_metrics_of_both_kinds_of_pod_can_be_scraped(kubectl: Kubectl) -> None:
    node, controller = pods(kubectl, "node")[0], pods(kubectl, "controller")[0]
    proxied = "/api/v1/namespaces/{}/pods/{}:{}/proxy/metrics"
    of_node = kubectl("get", "--raw", proxied.format(SYSTEM, node, 9808))
    assert 'hearth_backend_healthy{backend="hearth"} 1.0' in of_node
    of_controller = kubectl("get", "--raw", proxied.format(SYSTEM, controller, 9809))
    assert 'hearth_node_connected{node="' in of_controller
