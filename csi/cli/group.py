"""``hearth group``: volumes that belong together, and moments of all of them, in Cinder's words."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from csi.cli import remote
from csi.cli.output import Columns, add_output, print_list, print_one
from drivers.errors import Invalid, NotFound

if TYPE_CHECKING:
    from csi.cli.arguments import Commands
    from csi.manage.client import ManageClient

COLUMNS: Columns = MappingProxyType(
    {
        "ID": lambda each: each.id,
        "BACKEND": lambda each: each.backend,
        "NAME": lambda each: each.name,
        "VOLUMES": lambda each: str(len(each.volume_ids)),
    }
)
LOOK = "look up what is named"
SNAPSHOT_COLUMNS: Columns = MappingProxyType(
    {
        "ID": lambda each: each.id,
        "BACKEND": lambda each: each.backend,
        "SNAPSHOTS": lambda each: str(len(each.snapshots)),
        "CREATED": lambda each: each.created,
        "USABLE": lambda each: "yes" if each.usable else "no",
    }
)


def add(commands: Commands) -> None:
    """Add it to ``hearth``."""
    group = commands.add_parser("group", help="volumes that belong together")
    actions = group.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_lists(actions)
    _add_changes(actions)
    cut = remote.add_action(actions, "snapshot", "freeze one moment of all volumes of a group")
    _add_group(cut)
    cut.add_argument(
        "name", metavar="NAME", help="of the group snapshot; the same one again is no error"
    )
    remote.add_dry_run(cut, LOOK)
    add_output(cut)
    cut.set_defaults(command=_snapshot)
    uncut = remote.add_action(
        actions, "delete-snapshot", "remove a group snapshot with all its members"
    )
    uncut.add_argument("snapshot", metavar="SNAPSHOT", help="its id")
    remote.add_dry_run(uncut, LOOK)
    uncut.set_defaults(command=_delete_snapshot)


def _add_lists(actions: Commands) -> None:
    for name, what, command in (
        ("list", "the groups that there are", _list),
        ("snapshots", "the group snapshots that there are, also those of Kubernetes", _snapshots),
    ):
        listing = remote.add_action(actions, name, what)
        remote.add_backend(listing)
        add_output(listing)
        listing.set_defaults(command=command)


def _add_changes(actions: Commands) -> None:
    create = remote.add_action(actions, "create", "name volumes that belong together")
    create.add_argument("name", metavar="NAME", help="of the group")
    create.add_argument(
        "volumes", nargs="+", metavar="VOLUME", help="their ids, or their PersistentVolumes' names"
    )
    remote.add_dry_run(create, LOOK)
    add_output(create)
    create.set_defaults(command=_create)
    update = remote.add_action(actions, "update", "take volumes into a group and out of it")
    _add_group(update)
    for option in ("--add", "--remove"):
        update.add_argument(option, action="append", default=[], metavar="VOLUME")
    remote.add_dry_run(update, LOOK)
    add_output(update)
    update.set_defaults(command=_update)
    delete = remote.add_action(actions, "delete", "forget a group; its volumes and snapshots stay")
    _add_group(delete)
    remote.add_dry_run(delete, LOOK)
    delete.set_defaults(command=_delete)


def _add_group(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", metavar="GROUP", help="its id or its name")


def _list(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        print_list(options.output, client.groups(options.backend), COLUMNS)


def _snapshots(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        print_list(options.output, client.group_snapshots(options.backend), SNAPSHOT_COLUMNS)


def _create(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        ids = _volumes(client, options.volumes)
        if _rehearsed(options, f"make group {options.name} of {', '.join(ids)}"):
            return
        print_one(options.output, client.create_group(options.name, ids))


def _update(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        group_id = _group(client, options.group)
        add, remove = (_volumes(client, each) for each in (options.add, options.remove))
        ways = f"take in {', '.join(add) or 'nothing'}, take out {', '.join(remove) or 'nothing'}"
        what = f"change group {group_id}: {ways}"
        if _rehearsed(options, what):
            return
        print_one(options.output, client.update_group(group_id, add, remove))


def _delete(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        group_id = _group(client, options.group)
        if not _rehearsed(options, f"forget group {group_id}, and no volume"):
            client.delete_group(group_id)


def _snapshot(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        group_id = _group(client, options.group)
        if _rehearsed(options, f"snapshot all volumes of group {group_id} at one moment"):
            return
        print_one(options.output, client.snapshot_group(group_id, options.name))


def _delete_snapshot(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        if not options.dry_run:
            client.delete_group_snapshot(options.snapshot)
            return
        found = [each for each in client.group_snapshots() if each.id == options.snapshot]
        members = [each.id for one in found for each in one.snapshots]
        _rehearsed(options, f"remove {options.snapshot} with {', '.join(members) or 'nothing'}")


def _rehearsed(options: argparse.Namespace, what: str) -> bool:
    """Whether it is not to be done, which is said then."""
    if options.dry_run:
        print(f"would {what}; nothing is changed")
    return bool(options.dry_run)


def _volumes(client: ManageClient, texts: Sequence[str]) -> list[str]:
    return [remote.volume(client, text).id for text in texts]


def _group(client: ManageClient, text: str) -> str:
    """The id of the group of that id or name."""
    found = [each.id for each in client.groups() if text in (each.id, each.name)]
    if not found:
        raise NotFound(f"there is no group {text!r} on this node, by its id or its name")
    if len(found) > 1:
        raise Invalid(f"{text} is the name of several groups, say which: {', '.join(found)}")
    return found[0]
