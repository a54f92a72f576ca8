"""What tools/cluster does with its arguments."""

import os
import signal
import sys
from collections.abc import Sequence

from tools.clusterkit import (
    errors,
    guests,
    journal,
    kind,
    kindcluster,
    kubectl,
    lifecycle,
    nodes,
    options,
    plan,
)
from tools.clusterkit.layout import Layout
from tools.labkit import status
from tools.labkit.errors import LabFailed


def main(arguments: Sequence[str]) -> int:
    """Run the command line and return the status to exit with."""
    try:
        return _run(options.parse(arguments), Layout())
    except KeyboardInterrupt:
        return status.of_signal(signal.SIGINT)
    except LabFailed as e:
        print(f"cluster: {e}", file=sys.stderr)
        return status.LAB_FAILED


def _run(chosen: options.Options, layout: Layout) -> int:
    match chosen.action:
        case "up" if chosen.only_print:
            print(kind.render(chosen.asked), end="")
        case "down":
            lifecycle.down(layout)
        case "build":
            lifecycle.build(layout, chosen.names)
        case "kubectl" | "helm" as program:
            kubectl.become(layout, program, chosen.command)
        case _ if chosen.on_kind or kind.is_used(layout):
            _run_on_kind(chosen, layout)
        case "node-shell" | "node-lvm":
            return _shell(layout, chosen)
        case _:
            _run_on_guests(chosen, layout)
    return os.EX_OK


def _run_on_guests(chosen: options.Options, layout: Layout) -> None:
    match chosen.action:
        case "up":
            lifecycle.up(layout, chosen.asked)
        case "forget":
            lifecycle.forget(layout)
        case "load-image":
            lifecycle.load_image(layout, chosen.archive, chosen.names)
        case "logs":
            journal.show(layout, chosen.names)
        case "node-kill":
            lifecycle.kill_node(layout, chosen.names[0])
        case "node-boot":
            lifecycle.boot_node(layout, chosen.names[0])


def _run_on_kind(chosen: options.Options, layout: Layout) -> None:
    match chosen.action:
        case "up" if not chosen.on_kind:
            raise errors.ClusterFailed("a cluster of kind is up: end it with `tools/cluster down`")
        case "up":
            kindcluster.up(layout, chosen.asked)
        case "forget":
            raise errors.ClusterFailed("kind cannot do that: it needs nodes of user-mode Linux")
        case "load-image":
            kindcluster.load_image(layout, chosen.archive, chosen.names)
        case "logs":
            kindcluster.show_logs(layout, chosen.names)
        case "node-kill":
            kindcluster.kill_node(layout, chosen.names[0])
        case "node-boot":
            kindcluster.boot_node(layout, chosen.names[0])
        case "node-lvm":
            kindcluster.ask_lvm(layout, chosen.names[0], chosen.command)
        case "node-shell":
            kindcluster.enter(layout, chosen.names[0], chosen.command)


def _shell(layout: Layout, chosen: options.Options) -> int:
    node = plan.load(layout.plan).node(chosen.names[0])
    if chosen.action == "node-lvm":
        return guests.shell(node, nodes.question(chosen.command))
    source = None if sys.stdin.isatty() else sys.stdin.buffer
    return guests.shell(node, chosen.command, source=source)
