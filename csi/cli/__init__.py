"""``hearth``: the subcommands, their arguments, and what a shell or kubelet learns from the exit status.

Errors are one line on standard error. What a subcommand needs is imported by it, so that ``hearth
drivers`` does not wait for gRPC.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from csi import settings
from csi.cli import serve, uninstall
from csi.cli.arguments import EXIT_STATUS, FAILED, OK, USAGE, add_config
from drivers.errors import Invalid, StorageError
from drivers.exec import Host
from drivers.interface import DriverRejected, VolumeDriver, abilities, load_drivers
from drivers.model import GIB, KIB, MIB, Capacity, Special, VolumeStats

UNITS: Mapping[str, int] = {"": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": KIB * GIB}


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


def size(text: str) -> int:
    """``64MiB``, ``10GiB`` or plain bytes, as bytes."""
    if not (found := re.fullmatch(r"([0-9]+) ?([KMGT]iB|)", text)) or not int(found[1]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; write bytes, or a number with KiB, MiB, GiB or TiB"
        )
    return int(found[1]) * UNITS[found[2]]


def _drivers(_options: argparse.Namespace) -> None:
    rows = [
        (name, each.VERSION, each.VENDOR_NAME, _abilities(each), each.CI_WIKI_NAME)
        for name, each in sorted(load_drivers().items())
    ]
    _print_table(("NAME", "VERSION", "VENDOR", "ABILITIES", "TEST RESULTS"), rows)


def _create_backend(options: argparse.Namespace) -> None:
    from drivers.lvm import prepare

    plan = prepare.Plan(
        volume_group=options.volume_group,
        devices=tuple(str(path) for path in options.devices),
        thin_pool=options.thin_pool,
        pool_size=options.pool_size,
        metadata_size=options.metadata_size,
        wipe=options.wipe,
    )
    for line in prepare.create(Host(), plan):
        print(line, flush=True)


def _list_backends(options: argparse.Namespace) -> None:
    node = settings.read(options.config, load_drivers())
    rows = [_backend_row(each) for each in node.backends]
    _print_table(
        ("NAME", "DRIVER", "TOTAL", "FREE", "LARGEST", "VOLUMES", "SNAPSHOTS", "POOL", "STATE"),
        rows,
    )


def _backend_row(backend: settings.BackendSettings) -> Sequence[str]:
    driver = backend.driver(backend.name, backend.options, Host())
    try:
        # No set-up: it would heal what the process that serves the backend has in work.
        stats = driver.look()
    except StorageError as error:
        return (backend.name, driver.NAME, *["-"] * 6, str(error))
    return (
        backend.name,
        driver.NAME,
        _human(stats.total_capacity),
        _human(stats.free_capacity),
        _human(stats.max_volume_size),
        str(stats.volumes),
        str(stats.snapshots),
        _pool(stats),
        stats.unhealthy or "well",
    )


def _abilities(driver: type[VolumeDriver]) -> str:
    names = [each.__name__.removesuffix("Driver").lower() for each in abilities(driver)]
    return ", ".join(names)


def _human(capacity: Capacity) -> str:
    if isinstance(capacity, Special):
        return capacity.value
    unit = next((name for name in ("TiB", "GiB", "MiB", "KiB") if capacity >= UNITS[name]), "")
    return f"{capacity / UNITS[unit]:.2f} {unit}" if unit else f"{capacity} B"


def _pool(stats: VolumeStats) -> str:
    if stats.data_ratio is None or stats.metadata_ratio is None:
        return "-"
    return f"{stats.data_ratio:.1%} data, {stats.metadata_ratio:.1%} metadata"


def _print_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


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
    drivers = commands.add_parser("drivers", help="the drivers that are installed")
    drivers.set_defaults(command=_drivers)
    backend = commands.add_parser("backend", help="the storage of this node")
    actions = backend.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_backend_create(actions)
    listing = actions.add_parser("list", help="the configured backends and their room")
    add_config(listing)
    listing.set_defaults(command=_list_backends)
    return parser


def _add_backend_create(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
    create.set_defaults(command=_create_backend)
