"""The command line of tools/lab."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.labkit import errors, sizes

MAX_DISKS = 16  # user-mode Linux knows ubda to ubdp
DEFAULT_TIMEOUT = 3600.0
# Job control needs a terminal of its own. What people have in their .bashrc starts many programs,
# which a guest does ten times slower.
SHELL = ["setsid", "--ctty", "--wait", "bash", "--norc"]


@dataclass(frozen=True, slots=True)
class Options:
    """What to run, and in what kind of machine."""

    command: tuple[str, ...]
    disks: tuple[int, ...] = ()
    memory: int = 2 << 30
    timeout: float | None = DEFAULT_TIMEOUT
    environment: tuple[tuple[str, str], ...] = ()
    shares: tuple[Path, ...] = ()
    cpu: int | None = None
    interactive: bool = False
    on_host: bool = False


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Options from the command line and the environment; refuses what cannot work."""
    given = _parser().parse_args(arguments)
    command = tuple(given.command[1:] if given.command[:1] == ["--"] else given.command)
    if not command:
        raise errors.LabFailed("no command was given: tools/lab run [OPTION]... -- COMMAND")
    if given.timeout is not None and not given.timeout > 0:
        raise errors.LabFailed(f"--timeout {given.timeout:g}: a time limit is more than 0 seconds")
    if len(given.disk) > MAX_DISKS:
        raise errors.LabFailed(f"{len(given.disk)} disks were asked for, {MAX_DISKS} are possible")
    return Options(
        command=command,
        disks=tuple(sizes.parse(size) for size in given.disk),
        memory=sizes.parse(given.memory),
        timeout=given.timeout,
        environment=tuple(_variable(text, environment) for text in given.env),
        shares=tuple(Path(share).resolve() for share in given.share),
        cpu=choose_cpu(given.cpu or environment.get("LAB_CPU"), os.sched_getaffinity(0)),
        interactive=given.action == "shell",
        on_host=given.host,
    )


def choose_cpu(wanted: str | None, allowed: set[int]) -> int | None:
    """The one core a guest stays on; None for whichever is free.

    Its tracer and tracee would otherwise chase each other from core to core, which makes a guest
    three to four times slower.
    """
    cores = sorted(allowed)
    if wanted is None:
        return None
    if not wanted.isdecimal() or int(wanted) not in allowed:
        raise errors.LabFailed(f"there is no core {wanted!r} here: choose one of {cores}")
    return int(wanted)


def _variable(text: str, environment: Mapping[str, str]) -> tuple[str, str]:
    name, assigned, value = text.partition("=")
    if not name.isidentifier():
        raise errors.LabFailed(f"{name!r} is no name for an environment variable")
    if not assigned and name not in environment:
        raise errors.LabFailed(f"--env {name}: {name} is not set; set it or write {name}=VALUE")
    return name, value if assigned else environment[name]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/lab",
        description="Run a command as root with real device-mapper, in user-mode Linux.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="run|shell")
    run = actions.add_parser("run", help="run one command and exit with its status")
    _add_machine(run)
    run.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        metavar="SECONDS",
        help="stop the guest after so long and exit with 124 (default: %(default).0f)",
    )
    run.add_argument(
        "--host",
        action="store_true",
        help="no guest: run on this machine's own kernel, on loop devices",
    )
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    shell = actions.add_parser("shell", help="give a prompt in the guest")
    _add_machine(shell)
    shell.set_defaults(command=SHELL, timeout=None, host=False)
    return parser


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--disk", action="append", default=[], metavar="SIZE", help="a disk, may be repeated")
    add("--memory", default="2G", metavar="SIZE", help="memory of the guest (default: 2G)")
    add("--env", action="append", default=[], metavar="NAME[=VALUE]", help="pass a variable on")
    add(
        "--share",
        action="append",
        default=[],
        metavar="DIR",
        help="let the guest see this folder of the machine's own /tmp or /run",
    )
    add("--cpu", metavar="N", help="the core the guest is pinned to (default: $LAB_CPU, or any)")
