"""``hearth volume``: what is on a node, in Cinder's words."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from csi.cli import existing, images, remote
from csi.cli.output import (
    Columns,
    add_output,
    human,
    print_documents,
    print_list,
    print_one,
)
from csi.cli.properties import add_properties, properties
from drivers.errors import Precondition

if TYPE_CHECKING:
    from csi.cli.arguments import Commands
    from csi.manage.client import ManageClient
    from csi.spec import manage_pb2 as pb


def _claim(volume: pb.Volume) -> str:
    kept = volume.properties
    return f"{kept.pvc_namespace}/{kept.pvc_name}" if kept.pvc_name else "-"


COLUMNS: Columns = MappingProxyType(
    {
        "ID": lambda each: each.id,
        "BACKEND": lambda each: each.backend,
        "SIZE": lambda each: human(each.size),
        "CONTENT": lambda each: "part of an image" if each.partial else each.content,
        "HOLDS": lambda each: each.properties.fs_type or each.properties.mode,
        "USED": lambda each: "yes" if each.in_use else "no",
        "PV": lambda each: each.properties.pv_name or "-",
        "CLAIM": _claim,
        "OWNER": lambda each: each.owner or "-",
    }
)


def add(commands: Commands) -> None:
    """Add it to ``hearth``."""
    volume = commands.add_parser("volume", help="the volumes of a node")
    actions = volume.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_list(actions)
    _add_show(actions)
    listing = existing.add_listing(actions, "what could be managed, and if not, why")
    listing.set_defaults(command=_manageable)
    _add_manage(actions)
    unmanage = existing.add_unmanage(
        actions, "make a volume a plain one again, its data untouched", "VOLUME"
    )
    unmanage.set_defaults(command=_unmanage)
    _add_revert(actions)
    images.add(actions)


def _add_list(actions: Commands) -> None:
    listing = remote.add_action(actions, "list", "the volumes that there are")
    remote.add_backend(listing)
    _add_manifests(listing)
    listing.set_defaults(command=_list)


def _add_show(actions: Commands) -> None:
    show = remote.add_action(actions, "show", "everything that is known of one volume")
    show.add_argument("volume", metavar="VOLUME", help="its id, or its PersistentVolume's name")
    _add_manifests(show)
    show.set_defaults(command=_show)


def _add_manifests(parser: argparse.ArgumentParser) -> None:
    add_output(parser, "pv")
    parser.add_argument(
        "--storage-class",
        default="",
        metavar="NAME",
        help="with --output pv, the class of volumes that do not keep theirs",
    )


def _add_manage(actions: Commands) -> None:
    manage = existing.add_manage(actions, "make a volume of what somebody else made, as it is")
    add_properties(manage)
    manage.set_defaults(command=_manage)


def _add_revert(actions: Commands) -> None:
    revert = remote.add_action(actions, "revert", "take an unused volume back to a snapshot of it")
    revert.add_argument("volume", metavar="VOLUME", help="its id, or its PersistentVolume's name")
    revert.add_argument("snapshot", metavar="SNAPSHOT", help="the id of one of its snapshots")
    remote.add_dry_run(revert)
    add_output(revert)
    revert.set_defaults(command=_revert)


def _list(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        if options.output == "pv":
            _print_manifests(client, options)
        else:
            print_list(options.output, client.volumes(options.backend), COLUMNS)


def _print_manifests(client: ManageClient, options: argparse.Namespace) -> None:
    """Of all volumes but those that are of one claim: which of them it is for, a person has to say."""
    from csi.manage.manifests import rivals

    found = [each for each in client.volumes(options.backend) if not each.partial]
    unclear = rivals(found)
    left = {each.id for same in unclear.values() for each in same}
    print_documents(_manifests(client, options, [each for each in found if each.id not in left]))
    if unclear:
        said = "; ".join(
            f"{', '.join(each.id for each in same)} are all of claim {claim}"
            for claim, same in unclear.items()
        )
        raise Precondition(
            f"left out, since a claim takes one volume: {said}:"
            " write the right one with `hearth volume show ID --output pv`"
        )


def _manifests(
    client: ManageClient, options: argparse.Namespace, volumes: Iterable[pb.Volume]
) -> list[Mapping[str, Any]]:
    from csi.manage.manifests import Where, persistent_volume

    volumes = list(volumes)
    if partial := [each.id for each in volumes if each.partial]:
        raise Precondition(
            f"{', '.join(partial)} holds a part of an image, which nobody can use: copy it in again,"
            " which finishes or replaces it"
        )
    where = Where(client.driver_name(), client.backends().node, options.storage_class)
    return [persistent_volume(each, where) for each in volumes]


def _show(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        found = remote.volume(client, options.volume)
        if options.output == "pv":
            print_documents(_manifests(client, options, [found]))
        else:
            print_one(options.output, found)


def _manageable(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        existing.print_manageable(options, client.manageable_volumes)


def _manage(options: argparse.Namespace) -> None:
    from csi.spec import manage_pb2 as pb

    fields: dict[str, Any] = dict(existing.place(options))
    request = pb.ManageVolumeRequest(properties=properties(options, "filesystem"), **fields)
    with remote.node(options) as client:
        existing.print_managed(options, client.manage_volume(request), "volume")


def _unmanage(options: argparse.Namespace) -> None:
    from csi.spec import manage_pb2 as pb

    with remote.node(options) as client:
        request = pb.UnmanageVolumeRequest(
            volume_id=options.volume, name=options.name, dry_run=options.dry_run
        )
        left = client.unmanage_volume(request)
        existing.print_left(options, options.volume, left)


def _revert(options: argparse.Namespace) -> None:
    from csi.spec import manage_pb2 as pb

    with remote.node(options) as client:
        volume = remote.volume(client, options.volume)
        request = pb.RevertVolumeRequest(
            volume_id=volume.id, snapshot_id=options.snapshot, dry_run=options.dry_run
        )
        reverted = client.revert_volume(request)
    if options.output != "table":
        print_one(options.output, reverted)
    elif options.dry_run:
        print(f"would revert {volume.id} to {options.snapshot}; nothing is changed")
    else:
        print(f"{volume.id} is as it was in {options.snapshot}")
