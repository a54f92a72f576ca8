"""What a cluster consists of: its addresses, its nodes, and what each of them is given."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.clusterkit import errors

NAMESPACE = "hearth-cluster"  # of the network
UPLINK = "hearth-cluster0"  # this machine's end of the cable into it
GATEWAY = "10.77.0.1"
OUTSIDE = "10.77.0.254"  # this machine, as the cluster sees it
API_SERVICE = "10.96.0.1"
SERVICES = "10.96.0.0/24"
DNS_SERVICE = "10.96.0.10"  # nobody answers there
AGENT_PORT = 2222
MAX_NODES = 8
NAME = re.compile(r"n?(?P<number>[1-9])")


@dataclass(frozen=True, slots=True)
class Node:
    """One guest, by its number."""

    number: int

    @property
    def name(self) -> str:
        """Its name in Kubernetes, too."""
        return f"n{self.number}"

    @property
    def address(self) -> str:
        """Where kubelet, the agent and everything on the host network listen."""
        return f"10.77.0.{10 + self.number}"

    @property
    def pods(self) -> str:
        """The network of its pods."""
        return f"10.244.{self.number}.0/24"

    @property
    def tap(self) -> str:
        """The other end of its network card."""
        return f"tap{self.number}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for when the cluster was made; kept beside it."""

    nodes: int = 2
    memory: int = 2 << 30
    disks: tuple[int, ...] = (4 << 30, 4 << 30)
    prepare: bool = False

    def members(self) -> list[Node]:
        """The nodes, first to last."""
        return [Node(number) for number in range(1, self.nodes + 1)]

    def node(self, name: str) -> Node:
        """The node called `n2` or `2`."""
        found = NAME.fullmatch(name)
        if found is None or int(found["number"]) > self.nodes:
            known = ", ".join(node.name for node in self.members())
            raise errors.ClusterFailed(f"there is no node {name!r} in this cluster: it has {known}")
        return Node(int(found["number"]))

    def save(self, file: Path) -> None:
        """Write it down for later commands."""
        file.write_text(json.dumps(asdict(self)) + "\n")


def load(file: Path) -> Plan:
    """The plan of the cluster that is up."""
    try:
        kept = json.loads(file.read_text())
    except FileNotFoundError as e:
        raise errors.ClusterFailed("no cluster is up: start one with `tools/cluster up`") from e
    return Plan(**{**kept, "disks": tuple(kept["disks"])})
