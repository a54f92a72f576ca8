"""``hearth backend``: the storage of a node."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from csi import settings
from csi.cli import remote
from csi.cli.arguments import size
from csi.cli.output import Columns, add_output, human, print_list, print_one, print_table
from drivers.errors import Invalid, NotFound, StorageError
from drivers.exec import Host
from drivers.interface import load_drivers
from drivers.model import INFINITE, UNKNOWN, Capacity

if TYPE_CHECKING:
    from csi.cli.arguments import Commands
    from csi.spec import manage_pb2 as pb

CONFIGURED = (
    "NAME",
    "DRIVER",
    "TOTAL",
    "FREE",
    "LARGEST",
    "VOLUMES",
    "SNAPSHOTS",
    "POOL",
    "STATE",
)


def _capacity(message: pb.Capacity) -> Capacity:
    if message.WhichOneof("value") == "bytes":
        return message.bytes
    return INFINITE if message.infinite else UNKNOWN


def _pool(data: float | None, metadata: float | None) -> str:
    if data is None or metadata is None:
        return "-"
    return f"{data:.1%} data, {metadata:.1%} metadata"


def _ratios(backend: pb.Backend) -> str:
    if not backend.HasField("data_ratio"):
        return "-"
    return _pool(backend.data_ratio, backend.metadata_ratio)


COLUMNS: Columns = MappingProxyType(
    {
        "NAME": lambda each: each.name,
        "DRIVER": lambda each: each.driver,
        "STORAGE": lambda each: each.storage or "-",
        "TOTAL": lambda each: human(_capacity(each.total)),
        "FREE": lambda each: human(_capacity(each.free)),
        "LARGEST": lambda each: human(_capacity(each.largest_volume)),
        "VOLUMES": lambda each: str(each.volumes),
        "SNAPSHOTS": lambda each: str(each.snapshots),
        "POOL": _ratios,
        "STATE": lambda each: each.unhealthy or "well",
    }
)


def add(commands: Commands) -> None:
    """Add it to ``hearth``."""
    backend = commands.add_parser("backend", help="the storage of this node")
    actions = backend.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_create(actions)
    listing = remote.add_action(actions, "list", "the backends and their room")
    listing.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="look at the backends of this configuration, beside whatever serves them",
    )
    add_output(listing)
    listing.set_defaults(command=_list)
    show = remote.add_action(actions, "show", "everything that is known of one backend")
    show.add_argument("backend", metavar="BACKEND", help="its name")
    add_output(show)
    show.set_defaults(command=_show)


def _add_create(actions: Commands) -> None:
    create = actions.add_parser("create", help="make an LVM volume group for a backend")
    create.add_argument("volume_group", metavar="VOLUME_GROUP", help="the name it gets")
    create.add_argument(
        "devices", metavar="DEVICE", type=Path, nargs="+", help="empty disks for it"
    )
    create.add_argument("--thin-pool", metavar="NAME", help="also make a thin pool of that name")
    create.add_argument(
        "--pool-size", type=size, metavar="SIZE", help="the pool's size (default: all there is)"
    )
    create.add_argument(
        "--metadata-size",
        type=size,
        metavar="SIZE",
        help="room for LVM's own records, at most 5%% of each disk (default: 64MiB)",
    )
    create.add_argument("--wipe", action="store_true", help="zero the disks first")
    remote.add_dry_run(create)
    create.set_defaults(command=_create)


def _create(options: argparse.Namespace) -> None:
    from drivers.lvm import prepare

    plan = prepare.Plan(
        volume_group=options.volume_group,
        devices=tuple(str(path) for path in options.devices),
        thin_pool=options.thin_pool,
        pool_size=options.pool_size,
        metadata_size=options.metadata_size,
        wipe=options.wipe,
    )
    if options.dry_run:
        prepare.check(Host(), plan)
        print(f"would make {plan.volume_group} of {', '.join(plan.devices)}; nothing is changed")
        return
    for line in prepare.create(Host(), plan):
        print(line, flush=True)


def _list(options: argparse.Namespace) -> None:
    if options.config:
        _list_configured(options)
        return
    with remote.node(options) as client:
        print_list(options.output, client.backends().backends, COLUMNS)


def _show(options: argparse.Namespace) -> None:
    with remote.node(options) as client:
        found = {each.name: each for each in client.backends().backends}
    if options.backend not in found:
        raise NotFound(f"there is no backend {options.backend!r}; there are: {', '.join(found)}")
    print_one(options.output, found[options.backend])


def _list_configured(options: argparse.Namespace) -> None:
    if options.output != "table":
        raise Invalid("--output with --config: only a node that serves can be asked for it")
    node = settings.read(options.config, load_drivers())
    print_table(CONFIGURED, [_row(each) for each in node.backends])


def _row(backend: settings.BackendSettings) -> Sequence[str]:
    driver = backend.driver(backend.name, backend.options, Host())
    try:
        # No set-up: it would heal what the process that serves the backend has in work.
        stats = driver.look()
    except StorageError as error:
        return (backend.name, driver.NAME, *["-"] * 6, str(error))
    return (
        backend.name,
        driver.NAME,
        human(stats.total_capacity),
        human(stats.free_capacity),
        human(stats.max_volume_size),
        str(stats.volumes),
        str(stats.snapshots),
        _pool(stats.data_ratio, stats.metadata_ratio),
        stats.unhealthy or "well",
    )
