"""An upgrade that replaces every pod of Hearth: who uses a volume does not notice, and no key is new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import ROOT, SYSTEM, Kubectl, until
from tests.e2e.test_faults import numbered

RELEASE = "hearth"
CHANGED = {"log": {"level": "DEBUG"}}
"""It is an argument of every process, so each of them is rolled."""
WORKLOADS = ("daemonsets", "deployments")
WRITING = "while true; do date +%s >> /data/log; sync; sleep 0.2; done"


@pytest.fixture
def installed() -> Iterator[Mapping[str, Any]]:
    """The values of the release, which it has again afterwards."""
    before = set_values()
    yield before
    if set_values() != before:
        upgrade(before)


def set_values() -> dict[str, Any]:
    """What the release was installed with: on kind each node has a group of its own."""
    said = cluster.tool("helm", "get", "values", RELEASE, "--namespace", SYSTEM, "--output", "json")
    return dict(json.loads(said) or {})


def upgrade(values: Mapping[str, Any]) -> None:
    """All values are given, so that none is left over from the last time."""
    cluster.tool(
        *("helm", "upgrade", RELEASE, str(ROOT / "deploy/helm/hearth-csi"), "--values", "-"),
        *("--namespace", SYSTEM, "--reset-values", "--wait", "--timeout", "300s"),
        text=yaml.safe_dump(dict(values)),
        timeout=330,
    )


def settle(kubectl: Kubectl) -> None:
    """Wait until every pod is the new one: Helm's wait lets a DaemonSet have one that is missing."""
    for kind in WORKLOADS:
        for name in kubectl.names(kind, f"--namespace={SYSTEM}"):
            kubectl(
                *("rollout", "status", f"{kind.removesuffix('s')}/{name}", "--timeout=300s"),
                f"--namespace={SYSTEM}",
                timeout=330,
            )


def pods(kubectl: Kubectl) -> set[str]:
    """The pods of node and controller, each by an id that no other ever has."""
    found = kubectl.items(
        "pods",
        f"--namespace={SYSTEM}",
        "--selector=app.kubernetes.io/component in (node,controller)",
    )
    return {each["metadata"]["uid"] for each in found}


def certificates(kubectl: Kubectl) -> Mapping[str, str]:
    """A digest of each Secret that Helm has made: no key gets into a report."""
    found = kubectl.items(
        "secrets", f"--namespace={SYSTEM}", "--field-selector=type=kubernetes.io/tls"
    )
    return {each["metadata"]["name"]: digest(each["data"]) for each in found}


def digest(data: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def writer(name: str) -> str:
    """The example's claim and pod, but one that goes on to write."""
    claim, pod = yaml.safe_load_all(numbered(name, 0))
    pod["spec"]["containers"][0]["args"] = [WRITING]
    return yaml.safe_dump_all([claim, pod])


def life(kubectl: Kubectl, pod: str) -> tuple[str, int]:
    """Which pod it is, and how often it has begun anew."""
    found = kubectl.get("pod", pod)
    return found["metadata"]["uid"], found["status"]["containerStatuses"][0]["restartCount"]


def written(kubectl: Kubectl, pod: str) -> int:
    return int(kubectl.sh(pod, "wc -l < /data/log"))


def goes_on(kubectl: Kubectl, pod: str) -> None:
    before = written(kubectl, pod)
    until(lambda: written(kubectl, pod) > before, f"{pod} goes on to write", 30)


def binds(kubectl: Kubectl, name: str) -> None:
    kubectl.apply(numbered(name, 0))
    kubectl.ready(f"{name}-0", 240)
    kubectl.delete("pod", f"{name}-0")
    kubectl.delete("pvc", f"{name}-0")


def test_an_upgrade_and_the_way_back_replace_every_pod_and_nobody_notices(
    kubectl: Kubectl, installed: Mapping[str, Any]
) -> None:
    kubectl.apply(writer("writing"))
    kubectl.ready("writing-0")
    pod, made = life(kubectl, "writing-0"), certificates(kubectl)
    assert len(made) == 4, "of the authority, nodes, controllers and the operator"
    for step, values in (("there", {**installed, **CHANGED}), ("back", installed)):
        old = pods(kubectl)
        upgrade(values)
        settle(kubectl)
        until(lambda old=old: pods(kubectl).isdisjoint(old), "every pod of Hearth is another one")
        assert certificates(kubectl) == made, "they are kept"
        assert life(kubectl, "writing-0") == pod, "who uses a volume is not restarted"
        goes_on(kubectl, "writing-0")
        binds(kubectl, step)
