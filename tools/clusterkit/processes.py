"""Processes that outlive the command that started them, and can be found and ended by the next.

A number alone may belong to somebody else by then, so the moment a process began is kept with it.
"""

import os
import select
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.clusterkit import network

STATE, BEGAN = 2, 21  # fields of /proc/PID/stat, from 0


def start(
    command: Sequence[str], *, record: Path, log: Path, environment: dict[str, str] | None = None
) -> None:
    """Start a program in the cluster's network, in a session of its own."""
    for file in (record, log):
        file.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(
            network.inside(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={"PATH": os.defpath, "HOME": "/", **(environment or {})},
            start_new_session=True,
        )
    record.write_text(f"{process.pid} {began(process.pid)}\n")


def leader(record: Path) -> int | None:
    """The process that a record is about, if it is still there."""
    try:
        pid, moment = record.read_text().split()
    except (FileNotFoundError, ValueError):  # or killed while it was written
        return None
    return int(pid) if began(int(pid)) == moment else None


def kill(record: Path) -> bool:
    """End a process and its whole group at once; False if it was not there."""
    pid = leader(record)
    if pid is not None:
        os.killpg(pid, signal.SIGKILL)
        _gone([pid])
    record.unlink(missing_ok=True)
    return pid is not None


def kill_all() -> int:
    """End everything that is in the cluster's network; says how many processes that were."""
    ended: set[int] = set()
    while found := network.inhabitants():
        ended.update(found)
        for pid in found:
            _kill(pid)
        _gone(found)
    return len(ended)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _gone(pids: Sequence[int]) -> None:
    """Wait until processes, children of ours or not, have ended."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll()
        finally:
            os.close(descriptor)


def began(pid: int) -> str | None:
    """When a process began, in ticks since this machine's start; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = ["", *text[text.rindex(")") :].split()]  # the name of a program may contain spaces
    return None if fields[STATE] == "Z" else fields[BEGAN]
