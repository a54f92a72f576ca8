"""What tools/cluster does with its arguments."""

import os
import signal
import sys
from collections.abc import Sequence

from tools.clusterkit import guests, journal, kind, kubectl, lifecycle, options, plan
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
        case "up" if chosen.on_kind:
            kind.up(layout, chosen.asked, only_print=chosen.only_print)
        case "up":
            lifecycle.up(layout, chosen.asked)
        case "down":
            lifecycle.down(layout)
        case "build":
            lifecycle.build(layout, chosen.names)
        case "load-image":
            lifecycle.load_image(layout, chosen.archive, chosen.names)
        case "logs":
            journal.show(layout, chosen.names)
        case "node-kill":
            lifecycle.kill_node(layout, chosen.names[0])
        case "node-boot":
            lifecycle.boot_node(layout, chosen.names[0])
        case "node-shell":
            return _shell(layout, chosen)
        case program:
            kubectl.become(layout, program, chosen.command)
    return os.EX_OK


def _shell(layout: Layout, chosen: options.Options) -> int:
    node = plan.load(layout.plan).node(chosen.names[0])
    source = None if sys.stdin.isatty() else sys.stdin.buffer
    return guests.shell(node, chosen.command, source=source)
