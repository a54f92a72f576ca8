"""``hearth uninstall-check``: names the volumes that an uninstallation leaves behind.

The chart runs it before it removes itself. It is there to tell, never to block: it succeeds always.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from csi import settings

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

    tell(lambda: volumes.of_driver(options.driver), options.driver)


def tell(find: Callable[[], Iterable[Claimed]], driver: str) -> None:
    """Print what is left, or that it cannot be told; raises nothing."""
    try:
        print(told(find(), driver))
    except Exception as error:  # noqa: BLE001 - Helm uninstalls nothing after a hook that fails
        why = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"hearth: cannot tell which volumes are left: {why}", file=sys.stderr)


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
