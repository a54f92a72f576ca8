"""What several subcommands of ``hearth`` have in common."""

from __future__ import annotations

import argparse
import math
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from csi import logs
from csi.cli.output import UNITS

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

OK = 0
FAILED = 1
USAGE = 2

EXIT_STATUS = """exit status:
  0  done; for a server, stopped in order
  1  it cannot be done here and now; standard error says why
  2  the arguments or the configuration are wrong; standard error says where
"""


def seconds(text: str) -> float:
    """Seconds from an argument; a text that is no finite time from 0 on is refused with its words."""
    with suppress(ValueError):
        number = float(text)
        if math.isfinite(number) and number >= 0:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0 on")


def size(text: str) -> int:
    """``64MiB``, ``10GiB`` or plain bytes, as bytes."""
    if not (found := re.fullmatch(r"([0-9]+) ?([KMGT]iB|)", text)) or not int(found[1]):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no size; write bytes, or a number with KiB, MiB, GiB or TiB"
        )
    return int(found[1]) * UNITS[found[2]]


def add_config(parser: argparse.ArgumentParser, whose: str = "node") -> None:
    """``--config FILE``."""
    parser.add_argument(
        "--config",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"the {whose}'s configuration, YAML",
    )


def add_http(parser: argparse.ArgumentParser) -> None:
    """``--http ADDRESS``."""
    parser.add_argument(
        "--http", metavar="[HOST]:PORT", help="where to answer /metrics, /healthz and /readyz"
    )


def add_grace(parser: argparse.ArgumentParser) -> None:
    """``--grace SECONDS``."""
    parser.add_argument(
        "--grace",
        type=seconds,
        default=25.0,
        metavar="SECONDS",
        help="how long calls in work may go on after SIGTERM (default: %(default)s)",
    )


def add_tls(parser: argparse.ArgumentParser) -> None:
    """``--tls DIRECTORY``."""
    parser.add_argument(
        "--tls",
        type=Path,
        required=True,
        metavar="DIRECTORY",
        help="the directory with tls.crt, tls.key and ca.crt",
    )


def add_logging(parser: argparse.ArgumentParser) -> None:
    """``--log-level`` and ``--log-format``."""
    parser.add_argument(
        "--log-level",
        choices=("DEBUG", "INFO", "WARNING", "ERROR"),
        default="INFO",
        help="the least level that is written to standard error (default: %(default)s)",
    )
    parser.add_argument(
        "--log-format",
        type=logs.Format,
        choices=list(logs.Format),
        default=logs.Format.TEXT,
        metavar="text|json",
        help="how a line is written (default: text)",
    )
