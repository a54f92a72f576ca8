"""Several volumes at one moment: the example of examples/group, from the first write to the last snapshot."""

from __future__ import annotations

import pytest
import yaml

from tests.e2e import cluster
from tests.e2e.kubectl import EXAMPLES, Kubectl, until
from tests.e2e.test_volumes import node_of

KIND = "volumegroupsnapshots"


def members(kubectl: Kubectl) -> dict[str, str]:
    """The snapshot of each claim."""
    found = kubectl.items("volumesnapshots")
    return {
        each["spec"]["source"]["persistentVolumeClaimName"]: each["metadata"]["name"]
        for each in found
    }


def restore(kubectl: Kubectl, snapshots: dict[str, str]) -> None:
    """Apply the example with the names that it leaves open."""
    text = (EXAMPLES / "group/restore.yaml").read_text()
    for claim, snapshot in snapshots.items():
        text = text.replace(f"SNAPSHOT-OF-{claim.upper()}", snapshot)
    assert "SNAPSHOT-OF" not in text
    kubectl.apply(text)


def counted(kubectl: Kubectl, pod: str) -> tuple[int, int]:
    """What the log and the data of a pod say."""
    log, data = kubectl.sh(pod, "cat /log/count /data/count").split()
    return int(log), int(data)


def test_a_group_is_cut_at_one_moment_restored_and_deleted(kubectl: Kubectl) -> None:
    kubectl.example("group/database.yaml")
    kubectl.ready("database")
    until(lambda: kubectl.sh("database", "cat /data/count"), "the database has begun")
    node = node_of(kubectl, "database")
    before = set(cluster.volumes(node))
    kubectl.example("group/snapshot.yaml")
    ready = "--for=jsonpath={.status.readyToUse}=true"
    kubectl("wait", ready, f"{KIND}/database", "--timeout=120s")
    snapshots = members(kubectl)
    assert set(snapshots) == {"database-data", "database-log"}
    for name in snapshots.values():
        kubectl("wait", ready, f"volumesnapshot/{name}", "--timeout=60s")
    cut = set(cluster.volumes(node)) - before
    assert len(cut) == 2
    later = counted(kubectl, "database")
    restore(kubectl, snapshots)
    kubectl.ready("restored", 240)
    log, data = counted(kubectl, "restored")
    assert data <= log <= data + 1, "the log never lacks what is in the data"
    assert 0 < log <= later[0]
    size = kubectl.sh("restored", "df -k /log | tail -1").split()[1]
    assert int(size) > 100_000, "the filesystem has the larger size"
    kubectl.delete("pod", "database", "restored")
    kubectl.delete(KIND, "database")
    until(lambda: not members(kubectl), "its members go with it")
    until(lambda: not cut & set(cluster.volumes(node)), "in the storage as well")
    assert before <= set(cluster.volumes(node)), "and nothing else"


def test_a_member_goes_with_its_group_alone(kubectl: Kubectl) -> None:
    kubectl.example("group/database.yaml")
    kubectl.ready("database")
    kubectl.example("group/snapshot.yaml")
    ready = "--for=jsonpath={.status.readyToUse}=true"
    kubectl("wait", ready, f"{KIND}/database", "--timeout=120s")
    one = members(kubectl)["database-log"]
    node, before = node_of(kubectl, "database"), set(cluster.volumes(node_of(kubectl, "database")))
    kubectl("delete", "volumesnapshot", one, "--wait=false")
    # Long enough for whoever would delete it: another snapshot is made and deleted meanwhile.
    passing(kubectl)
    assert set(cluster.volumes(node)) == before
    kubectl.delete(KIND, "database")
    until(lambda: len(cluster.volumes(node)) == 2, "both members are gone")


def passing(kubectl: Kubectl) -> None:
    """A snapshot of one volume comes and goes."""
    text = (EXAMPLES / "snapshot.yaml").read_text()
    kubectl.apply(
        text.replace(": data", ": database-data").replace("name: database-data", "name: passing", 1)
    )
    ready = "--for=jsonpath={.status.readyToUse}=true"
    kubectl("wait", ready, "volumesnapshot/passing", "--timeout=120s")
    kubectl.delete("volumesnapshot", "passing")


@pytest.mark.parametrize(
    ("beside", "says"), [(True, "are thick"), (False, "only volumes of one node")]
)
def test_what_cannot_be_cut_together_says_so(
    kubectl: Kubectl, nodes: list[str], beside: bool, says: str
) -> None:
    kubectl.example("group/database.yaml")
    kubectl.ready("database")
    node = node_of(kubectl, "database")
    claim, pod = yaml.safe_load_all((EXAMPLES / "thick.yaml").read_text())
    claim["metadata"]["labels"] = {"database": "orders"}
    place = node if beside else next(each for each in nodes if each != node)
    pod["spec"]["nodeSelector"] = {"kubernetes.io/hostname": place}
    kubectl.apply(yaml.safe_dump_all([claim, pod]))
    kubectl.ready("thick")
    kubectl.example("group/snapshot.yaml")
    until(lambda: says in refusal(kubectl), "the group snapshot says what stands against it")
    kubectl.delete(KIND, "database")
    assert members(kubectl) == {}


def refusal(kubectl: Kubectl) -> str:
    """The error of the group snapshot."""
    status = kubectl.get(KIND, "database").get("status") or {}
    return str((status.get("error") or {}).get("message", ""))
