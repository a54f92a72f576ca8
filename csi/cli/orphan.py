"""``hearth orphan``: what carries Hearth's marks and is no finished volume or snapshot."""

from __future__ import annotations

import argparse
from types import MappingProxyType
from typing import TYPE_CHECKING

from csi.cli import remote
from csi.cli.output import Columns, add_output, human, print_list

if TYPE_CHECKING:
    from csi.cli.arguments import Commands

COLUMNS: Columns = MappingProxyType(
    {
        "NAME": lambda each: each.reference.name or "-",
        "ID": lambda each: each.id or "-",
        "BACKEND": lambda each: each.backend,
        "SIZE": lambda each: human(each.size),
        "REASON": lambda each: f"{each.reason}: {each.message}",
    }
)


def add(commands: Commands) -> None:
    """Add it to ``hearth``."""
    orphan = commands.add_parser("orphan", help="what is left over on a node")
    actions = orphan.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = remote.add_action(
        actions, "list", "what was begun and never finished, or not yet removed"
    )
    remote.add_backend(listing)
    add_output(listing)
    listing.set_defaults(command=_list)


def _list(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        print_list(options.output, client.orphans(options.backend), COLUMNS)
