"""The cluster's network: a namespace with a bridge, and a cable to it from this machine.

The cable lets programs of this machine reach the API server and the pods without being started in the
namespace. Everything hangs on the namespace: the kernel takes it all away with it.
"""

import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.clusterkit import errors, plan
from tools.clusterkit.plan import Node

FOLDER = Path("/run/netns")
DEVICES = Path("/sys/class/net")
BRIDGE = "br0"


def inside(command: Iterable[str]) -> list[str]:
    """The command, in the network of the cluster and otherwise at home."""
    return ["nsenter", f"--net={FOLDER / plan.NAMESPACE}", "--", *command]


def exists() -> bool:
    """Whether there is a namespace of ours."""
    return (FOLDER / plan.NAMESPACE).exists()


def base() -> list[list[str]]:
    """Commands that make the namespace, its bridge, its address of the API, and the cable."""
    link = f"ip -n {plan.NAMESPACE} link"
    address = f"ip -n {plan.NAMESPACE} address add"
    lines = [
        f"ip netns add {plan.NAMESPACE}",
        f"{link} set lo up",
        f"{link} add {BRIDGE} type bridge",
        f"{address} {plan.GATEWAY}/24 dev {BRIDGE}",
        f"{link} set {BRIDGE} up",
        f"{address} {plan.API_SERVICE}/32 dev lo",
        f"ip netns exec {plan.NAMESPACE} sysctl -qw net.ipv4.ip_forward=1",
        f"ip link add {plan.UPLINK} type veth peer name uplink netns {plan.NAMESPACE}",
        f"{link} set uplink master {BRIDGE} up",
        f"ip address add {plan.OUTSIDE}/24 dev {plan.UPLINK}",
        f"ip link set {plan.UPLINK} up",
    ]
    return [line.split() for line in lines]


def port(node: Node) -> list[list[str]]:
    """Commands that give a node its place at the bridge, and its pods their routes."""
    space = f"ip -n {plan.NAMESPACE}"
    lines = [
        f"{space} tuntap add dev {node.tap} mode tap",
        f"{space} link set {node.tap} master {BRIDGE} up",
        f"{space} route add {node.pods} via {node.address}",
        f"ip route add {node.pods} via {node.address} dev {plan.UPLINK}",
    ]
    return [line.split() for line in lines]


def make(nodes: Sequence[Node]) -> None:
    """Make what is not there yet."""
    if not exists():
        _refuse_collision()
        _run(base())
    links = _output("ip", "-n", plan.NAMESPACE, "-brief", "link")
    present = {line.split()[0] for line in links.splitlines()}
    for node in nodes:
        if node.tap not in present:
            _run(port(node))


def inhabitants() -> list[int]:
    """Every process that is in the namespace, whoever started it."""
    if not exists():
        return []
    return [int(pid) for pid in _output("ip", "netns", "pids", plan.NAMESPACE).split()]


def remove() -> None:
    """Take the namespace away, and with it devices, addresses and routes."""
    if (DEVICES / plan.UPLINK).exists():  # the kernel would do it, but later
        _run([["ip", "link", "delete", plan.UPLINK]])
    if exists():
        _run([["ip", "netns", "delete", plan.NAMESPACE]])
    if FOLDER.is_dir() and not any(FOLDER.iterdir()):
        # The first namespace made it a mount point. Nobody minds if it stays.
        command = ["umount", str(FOLDER)]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            FOLDER.rmdir()


def _refuse_collision() -> None:
    route = _output("ip", "route", "show", "root", "10.77.0.0/24")
    if route.strip():
        raise errors.ClusterFailed(f"this machine uses the cluster's addresses: {route.strip()}")


def _run(commands: Iterable[Sequence[str]]) -> None:
    for command in commands:
        _output(*command)


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise errors.ClusterFailed(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout
