"""What all subcommands have in common that ask a node: where it is, and which object is meant."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from csi import settings
from csi.cli.arguments import EXIT_STATUS
from drivers.errors import Invalid, NotFound

if TYPE_CHECKING:
    from csi.cli.arguments import Commands
    from csi.manage.client import ManageClient
    from csi.spec import manage_pb2 as pb


def add_action(actions: Commands, name: str, what: str) -> argparse.ArgumentParser:
    """A subcommand that asks a node, with the options that say which."""
    parser = actions.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}.",
        epilog=EXIT_STATUS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_remote(parser)
    return parser


def add_remote(parser: argparse.ArgumentParser) -> None:
    """``--endpoint``, ``--tls`` and ``--driver``."""
    parser.add_argument(
        "--endpoint",
        default=settings.manage_endpoint(),
        metavar="unix:///PATH|HOST:PORT",
        help="the node to ask (default: %(default)s)",
    )
    parser.add_argument(
        "--tls",
        type=Path,
        metavar="DIRECTORY",
        help="for HOST:PORT, the directory with tls.crt, tls.key and ca.crt",
    )
    parser.add_argument(
        "--driver",
        default=settings.DRIVER_NAME,
        metavar="NAME",
        help="for HOST:PORT, the driver's name, which the node must prove (default: %(default)s)",
    )


def add_backend(parser: argparse.ArgumentParser, what: str = "of one backend only") -> None:
    """``--backend``."""
    parser.add_argument("--backend", default="", metavar="NAME", help=what)


def add_dry_run(parser: argparse.ArgumentParser, look: str = "check everything") -> None:
    """``--dry-run``, which does no more than ``look``."""
    parser.add_argument("--dry-run", action="store_true", help=f"{look} and change nothing")


@contextmanager
def node(options: argparse.Namespace) -> Iterator[ManageClient]:
    """The node that is asked."""
    from csi.manage.client import connect

    with connect(options.endpoint, options.tls, options.driver) as client:
        yield client


def volume(client: ManageClient, text: str) -> pb.Volume:
    """The volume of that id, or whose PersistentVolume has that name."""
    try:
        return client.volume(text)
    except NotFound:
        found = [each for each in client.volumes() if each.properties.pv_name == text]
    if not found:
        raise NotFound(
            f"there is no volume {text!r} on this node, by its id or its PersistentVolume"
        )
    if len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise Invalid(f"{text} is the name of several volumes, say which: {ids}")
    return found[0]


def snapshot(client: ManageClient, snapshot_id: str) -> pb.Snapshot:
    """The snapshot of that id."""
    if (found := next(client.snapshots(snapshot_id=snapshot_id), None)) is None:
        raise NotFound(f"there is no snapshot {snapshot_id!r} on this node")
    return found
