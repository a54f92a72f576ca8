"""What volumes and snapshots have in common that somebody else made: naming, listing and telling them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING

from csi.cli.output import Columns, add_output, human, print_list, print_one
from csi.cli.remote import add_action, add_backend, add_dry_run

if TYPE_CHECKING:
    from csi.cli.arguments import Commands
    from csi.spec import manage_pb2 as pb

ID_TYPES = ("source-name", "source-id")
OWNER = "administrator"
"""Who adopts, where a person at a terminal does."""
PAGE = 500

COLUMNS: Columns = MappingProxyType(
    {
        "NAME": lambda each: each.reference.name,
        "SIZE": lambda each: human(each.size),
        "BACKEND": lambda each: each.backend,
        "SAFE": lambda each: "yes" if each.safe else "no",
        "HOLDS": lambda each: each.fs_type or "-",
        "MANAGER": lambda each: each.manager or "-",
        "ORIGIN": lambda each: each.origin.name or "-",
        "REASON": lambda each: f"{each.reason}: {each.message}" if each.reason else "-",
    }
)
Listing = Callable[["pb.ListManageableRequest"], Iterator["pb.Manageable"]]


def add_listing(actions: Commands, what: str) -> argparse.ArgumentParser:
    """``manageable-list``."""
    listing = add_action(actions, "manageable-list", what)
    add_backend(listing, "the backend; may be left out where there is only one")
    listing.add_argument(
        "--sort", choices=("name", "size"), default="name", help="by name, or the largest first"
    )
    listing.add_argument("--limit", type=int, metavar="NUMBER", help="at most so many")
    listing.add_argument(
        "--probe",
        action="store_true",
        help="look what each holds; inactive ones are activated for a moment",
    )
    add_output(listing)
    return listing


def add_manage(actions: Commands, what: str) -> argparse.ArgumentParser:
    """``manage``, without what only one of the two kinds has."""
    manage = add_action(actions, "manage", what)
    manage.add_argument(
        "reference", metavar="REFERENCE", help="its name in the storage, or VOLUME_GROUP/NAME"
    )
    manage.add_argument(
        "--id-type",
        choices=ID_TYPES,
        default=ID_TYPES[0],
        help="what REFERENCE is: a name (the default) or a UUID",
    )
    add_backend(manage, "the backend; may be left out where there is only one")
    manage.add_argument("--name", default="", help="its CSI name (default: made of REFERENCE)")
    manage.add_argument(
        "--owner", default=OWNER, help="who adopts it; nobody else gets it (default: %(default)s)"
    )
    manage.add_argument(
        "--allow-delete", action="store_true", help="let it be deleted through Kubernetes one day"
    )
    add_dry_run(manage)
    add_output(manage)
    return manage


def add_unmanage(actions: Commands, what: str, argument: str) -> argparse.ArgumentParser:
    """``unmanage``."""
    unmanage = add_action(actions, "unmanage", what)
    unmanage.add_argument(argument.lower(), metavar=argument, help="its id")
    unmanage.add_argument(
        "--name", default="", help="the name it gets in the storage (default: the one it had)"
    )
    add_dry_run(unmanage)
    add_output(unmanage)
    return unmanage


def print_manageable(options: argparse.Namespace, listing: Listing) -> None:
    """The objects that ``listing`` gives for the options of ``manageable-list``."""
    from csi.spec import manage_pb2 as pb

    request = pb.ListManageableRequest(
        backend=options.backend,
        max_entries=min(options.limit or PAGE, PAGE),
        sort=options.sort,
        probe=options.probe,
    )
    print_list(options.output, islice(listing(request), options.limit), COLUMNS)


def place(options: argparse.Namespace) -> Mapping[str, object]:
    """Which object is meant, as the fields of a request."""
    from csi.spec import manage_pb2 as pb

    storage, slash, name = options.reference.rpartition("/")
    if options.id_type == "source-id":
        reference = pb.Reference(uuid=options.reference)
    else:
        reference = pb.Reference(name=name)
    return {
        "backend": options.backend,
        "storage": storage if slash and reference.name else "",
        "reference": reference,
        "name": options.name or f"managed-{name or options.reference}",
        "owner": options.owner,
        "allow_delete": options.allow_delete,
        "dry_run": options.dry_run,
    }


def print_managed(options: argparse.Namespace, made: pb.Volume | pb.Snapshot, kind: str) -> None:
    """What was brought in, or would be."""
    if options.output != "table":
        print_one(options.output, made)
    elif options.dry_run:
        print(f"would manage {made.reference} ({human(made.size)}) as a {kind}; nothing is changed")
    else:
        print(f"{made.reference} ({human(made.size)}) is {kind} {made.id}")


def print_left(
    options: argparse.Namespace,
    object_id: str,
    left: pb.UnmanageVolumeResponse | pb.UnmanageSnapshotResponse,
) -> None:
    """Where something is that was let go of, or would be."""
    where = f"{left.storage}/{left.reference.name}"
    if options.output != "table":
        print_one(options.output, left)
    elif options.dry_run:
        print(f"would leave {object_id} as {where}; nothing is changed")
    elif left.HasField("reference"):
        print(f"{where} is a plain volume of {left.storage} again")
    else:
        print(f"there is no {object_id} any more")
