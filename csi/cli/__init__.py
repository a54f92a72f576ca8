"""``hearth``: the subcommands, their arguments, and what a shell or kubelet learns from the exit status.

Errors are one line on standard error. What a subcommand needs is imported by it, so that ``hearth
drivers`` does not wait for gRPC.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import metadata

from csi import settings
from csi.cli import backend, group, orphan, serve, snapshot, uninstall, volume
from csi.cli.arguments import EXIT_STATUS, FAILED, OK, USAGE
from csi.cli.output import print_table
from drivers.errors import Invalid, StorageError
from drivers.interface import DriverRejected, VolumeDriver, abilities, load_drivers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``hearth`` with ``arguments`` (those of the process) and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (settings.BadSettings, Invalid) as error:
        return _complain(str(error), USAGE)
    except StorageError as error:
        return _complain(str(error), FAILED)
    except ImportError as error:
        if error.name in ("kubernetes", "urllib3", "kopf"):
            return _complain(
                "this command needs the client of Kubernetes: install hearth-csi[kubernetes]",
                FAILED,
            )
        return _complain(f"a driver that is installed cannot be used: {error}", FAILED)
    except DriverRejected as error:
        return _complain(f"a driver that is installed cannot be used: {error}", FAILED)
    return OK


def _drivers(_options: argparse.Namespace) -> None:
    rows = [
        (name, each.VERSION, each.VENDOR_NAME, _abilities(each), each.CI_WIKI_NAME)
        for name, each in sorted(load_drivers().items())
    ]
    print_table(("NAME", "VERSION", "VENDOR", "ABILITIES", "TEST RESULTS"), rows)


def _abilities(driver: type[VolumeDriver]) -> str:
    names = [each.__name__.removesuffix("Driver").lower() for each in abilities(driver)]
    return ", ".join(names)


def _complain(message: str, status: int) -> int:
    print(f"hearth: {' '.join(message.split())}", file=sys.stderr)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hearth",
        description="Local volumes for Kubernetes, through CSI.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = f"hearth {metadata.version('hearth-csi')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve.add(commands)
    uninstall.add(commands)
    for each in (backend, volume, snapshot, group, orphan):
        each.add(commands)
    drivers = commands.add_parser("drivers", help="the drivers that are installed")
    drivers.set_defaults(command=_drivers)
    return parser
