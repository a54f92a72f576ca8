"""``hearth snapshot``: the snapshots of a node, in Cinder's words."""

from __future__ import annotations

import argparse
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from csi.cli import existing, remote
from csi.cli.output import Columns, add_output, human, print_list, print_one

if TYPE_CHECKING:
    from csi.cli.arguments import Commands

COLUMNS: Columns = MappingProxyType(
    {
        "ID": lambda each: each.id,
        "BACKEND": lambda each: each.backend,
        "VOLUME": lambda each: each.volume_id,
        "SIZE": lambda each: human(each.size),
        "CREATED": lambda each: each.created,
        "USABLE": lambda each: "yes" if each.usable else "no",
        "OWNER": lambda each: each.owner or "-",
    }
)


def add(commands: Commands) -> None:
    """Add it to ``hearth``."""
    snapshot = commands.add_parser("snapshot", help="the snapshots of a node")
    actions = snapshot.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_list(actions)
    show = remote.add_action(actions, "show", "everything that is known of one snapshot")
    show.add_argument("snapshot", metavar="SNAPSHOT", help="its id")
    add_output(show)
    show.set_defaults(command=_show)
    listing = existing.add_listing(actions, "which snapshots could be managed, and if not, why")
    listing.set_defaults(command=_manageable)
    _add_manage(actions)
    unmanage = existing.add_unmanage(
        actions, "make a snapshot a plain one again, its data untouched", "SNAPSHOT"
    )
    unmanage.set_defaults(command=_unmanage)


def _add_list(actions: Commands) -> None:
    listing = remote.add_action(actions, "list", "the snapshots that there are")
    remote.add_backend(listing)
    listing.add_argument("--volume", default="", metavar="ID", help="those of one volume only")
    add_output(listing)
    listing.set_defaults(command=_list)


def _add_manage(actions: Commands) -> None:
    manage = existing.add_manage(actions, "make a snapshot of what somebody else froze, as it is")
    manage.add_argument(
        "--volume", default="", metavar="ID", help="the volume that it must be a snapshot of"
    )
    manage.set_defaults(command=_manage)


def _list(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        found = client.snapshots(options.backend, volume_id=options.volume)
        print_list(options.output, found, COLUMNS)


def _show(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        print_one(options.output, remote.snapshot(client, options.snapshot))


def _manageable(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        existing.print_manageable(options, client.manageable_snapshots)


def _manage(options: argparse.Namespace) -> None:
    from csi.spec import manage_pb2 as pb

    fields: dict[str, Any] = dict(existing.place(options))
    request = pb.ManageSnapshotRequest(volume_id=options.volume, **fields)
    with remote.node(options) as client:
        existing.print_managed(options, client.manage_snapshot(request), "snapshot")


def _unmanage(options: argparse.Namespace) -> None:
    from csi.spec import manage_pb2 as pb

    request = pb.UnmanageSnapshotRequest(
        snapshot_id=options.snapshot, name=options.name, dry_run=options.dry_run
    )
    with remote.node(options) as client:
        left = client.unmanage_snapshot(request)
    existing.print_left(options, options.snapshot, left)
