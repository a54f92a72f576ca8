"""The command line of tools/cluster."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tools.clusterkit import errors, plan
from tools.clusterkit.plan import Plan
from tools.labkit import sizes

MAX_DISKS = 8
DEFAULT_DISKS = ["4G", "4G"]
PASSED_ON = ("kubectl", "helm")
WITH_COMMAND = ("shell", "lvm")


@dataclass(frozen=True, slots=True)
class Options:
    """What to do, and to which part."""

    action: str
    asked: Plan = field(default_factory=Plan)
    on_kind: bool = False
    only_print: bool = False
    names: tuple[str, ...] = ()  # of nodes, of programs to build, or of logs
    archive: Path = Path()
    command: tuple[str, ...] = ()


def parse(arguments: Sequence[str]) -> Options:
    """Options from the command line; refuses what cannot work."""
    if arguments and arguments[0] in PASSED_ON:  # their options are theirs
        return Options(arguments[0], command=tuple(arguments[1:]))
    given = _parser().parse_args(arguments)
    match given.action:
        case "up":
            return _up(given)
        case "build" | "logs":
            return Options(given.action, names=tuple(given.name))
        case "load-image":
            archive = given.archive.resolve()
            return Options("load-image", names=tuple(given.node), archive=archive)
        case "node":
            return _node(given)
    return Options(given.action)


def _up(given: argparse.Namespace) -> Options:
    if not 1 <= given.nodes <= plan.MAX_NODES:
        raise errors.ClusterFailed(f"--nodes {given.nodes}: 1 to {plan.MAX_NODES} are possible")
    disks = given.disk or DEFAULT_DISKS
    if len(disks) > MAX_DISKS:
        raise errors.ClusterFailed(f"{len(disks)} disks were asked for, {MAX_DISKS} are possible")
    if given.print and given.kind != "kind":
        raise errors.ClusterFailed("--print shows what kind is given: add --with kind")
    asked = Plan(
        nodes=given.nodes,
        memory=sizes.parse(given.memory),
        disks=tuple(sizes.parse(disk) for disk in disks),
        prepare=given.prepare,
    )
    return Options("up", asked=asked, on_kind=given.kind == "kind", only_print=given.print)


def _node(given: argparse.Namespace) -> Options:
    command = tuple(given.command[1:] if given.command[:1] == ["--"] else given.command)
    if given.verb in WITH_COMMAND and not command:
        raise errors.ClusterFailed(
            f"no command was given: tools/cluster node {given.verb} N COMMAND..."
        )
    return Options(f"node-{given.verb}", names=(given.node,), command=command)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/cluster",
        description="Run a real Kubernetes cluster on this machine.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_up(actions.add_parser("up", help="start a cluster, or what is missing of it"))
    actions.add_parser("down", help="end the cluster and remove everything of it")
    actions.add_parser(
        "forget", help="lose etcd: the cluster starts anew, on the disks that its nodes have"
    )
    build = actions.add_parser("build", help="build the programs it consists of, without a start")
    build.add_argument("name", nargs="*", help="a program, e2e.test for one; all if not given")
    for name in PASSED_ON:
        actions.add_parser(name, help=f"run {name} with the cluster's kubeconfig", add_help=False)
    load = actions.add_parser("load-image", help="give nodes the images of an archive")
    load.add_argument("archive", type=Path, help="as `docker save` or `buildah push` write it")
    load.add_argument("--node", action="append", default=[], help="only to this node")
    logs = actions.add_parser("logs", help="print the logs of a node or a program")
    logs.add_argument("name", nargs="*", help="n1, n1-kubelet, apiserver; the ends of all if none")
    _add_node(actions.add_parser("node", help="end, start or enter a node"))
    return parser


def _add_up(up: argparse.ArgumentParser) -> None:
    add = up.add_argument
    add("--nodes", type=int, default=2, metavar="N", help="how many nodes (default: 2)")
    add("--memory", default="2G", metavar="SIZE", help="memory of a node (default: 2G)")
    add(
        "--disk",
        action="append",
        metavar="SIZE",
        help="a disk for LVM in every node, may be repeated (default: two of 4G)",
    )
    add(
        "--prepare",
        action="store_true",
        help="make the volume group hearth and its thin pool on the first disk of every node",
    )
    add(
        "--with",
        dest="kind",
        choices=("uml", "kind"),
        default="uml",
        help="what nodes are: user-mode Linux, or containers of kind, which needs docker",
    )
    add("--print", action="store_true", help="with kind: print its configuration, start nothing")


def _add_node(node: argparse.ArgumentParser) -> None:
    verbs = node.add_subparsers(dest="verb", required=True, metavar="kill|boot|shell|lvm")
    for verb, text in (
        ("kill", "end a node as a power cut would"),
        ("boot", "start a node that was killed, on the disks it had, and wait until it is Ready"),
        ("shell", "run a command as root in a node"),
        ("lvm", "run an LVM command about the node's volume group, whose name is added at its end"),
    ):
        parser = verbs.add_parser(verb, help=text)
        parser.add_argument("node", metavar="N")
        if verb in WITH_COMMAND:
            parser.add_argument("command", nargs=argparse.REMAINDER)
        else:
            parser.set_defaults(command=[])
