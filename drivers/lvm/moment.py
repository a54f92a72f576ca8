"""The driver's end of `drivers.lvm.cut`: what is to be cut, and what came of it."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from drivers.errors import Busy
from drivers.exec import Arg, Companion, companion
from drivers.lvm import config, cut

log = logging.getLogger(__name__)

LIMIT = 1.0
"""Seconds after which a cut is broken off; writers wait on until the kernel lets go of what hangs in it."""
PATIENCE = 30.0
"""Seconds for a sync and the lock of the group before, and for the kernel to let go of what hangs after."""
SLOW = "the volumes cannot be synced in time, or another program holds the lock of the group"
HANGS = "the program that cuts hangs in the kernel"
RESUMED = b"resumed\n"
"""The guardian's last word."""
PROGRAM: Sequence[Arg] = (sys.executable, "-I", "-S", cut.__file__)


@dataclass(frozen=True, slots=True)
class Plan:
    """A cut. Devices are named by their device-mapper UUIDs, thin volumes by the pool's own numbers.

    ``snapshots`` are pairs of a volume's number and that of its snapshot, whose empty placeholder it takes.
    ``active`` are the devices that somebody may write to. Of these ``mounted`` shows the filesystems where
    that can be seen, ``frozen`` those that must be frozen, each with the UUID of the btrfs that it is; the
    others are ``raw`` device nodes.
    """

    pool: str
    snapshots: tuple[tuple[int, int], ...]
    active: tuple[str, ...] = ()
    mounted: tuple[Path, ...] = ()
    raw: tuple[Path, ...] = ()
    frozen: tuple[tuple[Path, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """A cut: the moment that it shows, and for how many seconds writers were held."""

    at: datetime
    pause: float


class Unsettled(Busy):
    """The cut was given up, and nobody said that all volumes go on: whoever gets this sees to it."""


class Cutter(Protocol):
    """Who cuts: `cut_together`."""

    def __call__(self, group: str, plan: Plan, is_current: Callable[[], bool]) -> Taken:
        """Cut in the volume group.

        ``is_current`` is asked once nobody can change the group any more: whether the plan still fits.
        Raises `Busy`, and nothing that was cut is worth anything, if it does not or anything went wrong.
        All devices go on then, unless it is `Unsettled`: both the program and its guardian were killed, or
        hang.
        """
        ...


def cut_together(
    group: str,
    plan: Plan,
    is_current: Callable[[], bool],
    program: Sequence[Arg] = PROGRAM,
    patience: float = PATIENCE,
) -> Taken:
    """See `Cutter`."""
    with companion(program) as process:
        process.tell(_told(group, plan))
        if (said := process.hear(patience)) != b"ready\n":
            process.kill()
            process.release(patience)
            raise Busy(f"nothing was cut: {_why(said, SLOW)}; ask again")
        if not is_current():
            raise Busy(f"volume group {group} was changed meanwhile; ask again")
        process.tell(b"go\n")
        said = _outcome(process, patience)
        status = process.release(patience)
    if said is not None and said.startswith(b"cut ") and status == cut.DONE:
        _cut, pause, at = said.split()
        return Taken(datetime.fromisoformat(at.decode()), float(pause))
    raise _given_up(said)


def _told(group: str, plan: Plan) -> bytes:
    fields = {
        "pool": plan.pool,
        "snapshots": plan.snapshots,
        "active": plan.active,
        "mounted": [str(path) for path in plan.mounted],
        "raw": [str(path) for path in plan.raw],
        "frozen": [(str(path), fsid) for path, fsid in plan.frozen],
        "lock": f"{config.LOCKS}/V_{group}",
        "limit": LIMIT,
    }
    return json.dumps(fields).encode() + b"\n"


def _outcome(process: Companion, patience: float) -> bytes | None:
    """What it says last, when its guardian has ended as well; None if one of them does not end."""
    if (said := process.hear_all(LIMIT + patience)) is not None:
        return said
    log.warning("the program that cuts snapshots hangs; killing it")
    process.kill()
    return process.hear_all(patience)


def _given_up(said: bytes | None) -> Busy:
    if said is not None and (said.startswith(b"failed ") or RESUMED in said):
        why = _why(said.removesuffix(RESUMED), "")
        return Busy(f"the cut was given up, and all volumes go on: {why}; ask again")
    return Unsettled(
        "the cut was given up, and it is not known whether all volumes go on:"
        f" {_why(said, HANGS)}; ask again"
    )


def _why(said: bytes | None, silent: str) -> str:
    if said is None:
        return silent
    text = said.decode(errors="replace").strip()
    return text.removeprefix("failed ") or "the program that cuts was ended"
