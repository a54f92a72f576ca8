"""``hearth uninstall-check``: names the volumes that an uninstallation leaves behind.

The chart runs it before it removes itself. It is there to tell, never to block: it succeeds always.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from csi import settings
from drivers.errors import Unavailable

if TYPE_CHECKING:
    from csi.cli.arguments import Commands
    from csi.kube.volumes import Claimed


def add(commands: Commands) -> None:
    """Add it to ``hearth``."""
    check = commands.add_parser(
        "uninstall-check",
        help="name the volumes that an uninstallation leaves behind",
        description="Name the PersistentVolumes of a driver. Succeeds whatever there is.",
        allow_abbrev=False,
    )
    check.add_argument(
        "--driver",
        default=settings.DRIVER_NAME,
        metavar="NAME",
        help="the driver's name (default: %(default)s)",
    )
    check.set_defaults(command=_check)


def _check(options: argparse.Namespace) -> None:
    from csi.kube import volumes

    try:
        print(told(volumes.of_driver(options.driver), options.driver))
    except Unavailable as error:
        print(f"hearth: cannot tell which volumes are left: {error}", file=sys.stderr)


def told(found: Iterable[Claimed], driver: str) -> str:
    """What is left, for a person."""
    rows = [f"  {each.name}  {each.phase}  {each.claim}".rstrip() for each in found]
    if not rows:
        return f"No volume of {driver} is left."
    return "\n".join(
        [
            f"{len(rows)} volumes of {driver} are left. They keep their data, and can be used again when",
            "the driver is installed again with the same name and backends:",
            *rows,
        ]
    )
