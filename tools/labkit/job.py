"""The part of a guest's start that differs from run to run, as a shell file its init reads."""

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

# Folders that are the guest's own. UNIX sockets do not work across the machine's own ones, and
# what a test leaves there must not outlive it.
PRIVATE = (Path("/run"), Path("/tmp"))  # noqa: S108
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def render(
    command: Iterable[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    modules: Path,
    shares: Iterable[Path],
    terminal: os.terminal_size | None = None,
) -> str:
    """Shell functions that mount the shared folders and become the command.

    A `terminal` means that the command is to have one, of that size.
    """
    stty = f"rows {terminal.lines} columns {terminal.columns}" if terminal else ""
    variables = [f"{name}={value}" for name, value in environment.items()]
    return "\n".join(
        [
            f"terminal={shlex.quote(stty)}",
            f"modules={shlex.quote(str(modules))}",
            "mount_shares() {",
            "    :",
            *(f"    share {shlex.quote(str(share))}" for share in hidden(shares)),
            "}",
            "become_command() {",
            f"    cd -- {shlex.quote(str(folder))} || exit 126",
            f"    exec env -i {shlex.join([*variables, *command])}",
            "}",
            "",
        ]
    )


def hidden(folders: Iterable[Path]) -> list[Path]:
    """Those folders that lie below a private one, without what another of them contains."""
    inside = {folder for folder in folders if any(private in folder.parents for private in PRIVATE)}
    return sorted(folder for folder in inside if inside.isdisjoint(folder.parents))


def environment_for(
    caller: Mapping[str, str], *, disks: Iterable[str], kind: str
) -> dict[str, str]:
    """The environment a command starts with: little of the caller's, so that runs are alike."""
    kept = {name: caller[name] for name in ("HOME", "LANG", "LC_ALL", "TERM") if name in caller}
    path = [part for part in caller.get("PATH", "").split(":") if part]
    path += [part for part in SYSTEM_PATH if part not in path]
    return {
        "HOME": "/root",
        **kept,
        "PATH": ":".join(path),
        "HEARTH_LAB": kind,
        "HEARTH_LAB_DISKS": " ".join(disks),
    }
