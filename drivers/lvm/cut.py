"""The program that cuts thin snapshots of several volumes at one moment, and its guardian.

Run by path as ``python -I -S cut.py``, so that it starts at once and imports next to nothing. On its
standard input it gets a plan, one line of JSON, and then ``go``; on its standard output it says, a line
each, ``ready`` and then ``cut SECONDS MOMENT``, or ``failed WHY`` when all go on, or ``stuck WHY`` when one
does not. The guardian says ``resumed`` when it let all go on. Without ``go``, nothing is done.

All devices are suspended, each by a thread of its own, as each waits in the kernel for something of its own.
When the last one is, nothing can be written to any of them, and the pool is told to snapshot each. A write
that was acknowledged on one volume was stored before that was suspended, so it is in its snapshot; one that
was begun after that, on any other, waits. Then all go on.

Filesystems are not frozen but synced before, and before the lock is taken, as that may take long: freezing
them would flush, while writers wait, whatever is dirty at that moment. The image is what a power cut leaves.
Only btrfs must be frozen, since a copy of it needs a superblock without a log.

A process of its own, because a device that is suspended stays so when the process that did it dies. Before
the first one is suspended it forks a guardian, which lives in a session of its own and lets everything go on
when this process ends, or has not done it in time. That one is killed first: the kernel would take the
snapshot of a device that goes on. Whichever of the two dies, the other one does it.

From ``ready`` on both hold the lock that every LVM takes before it changes the group: LVM resumes what it
finds suspended, and whoever comes to mend what is left finds that nobody works on it any more.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import select
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

if not __package__:  # run by path
    sys.path.append(str(Path(__file__).parents[2]))
from drivers.lvm.crowd import Crowd
from drivers.lvm.ioctls import Kernel

TYPE_CHECKING = False
if TYPE_CHECKING:  # what it would import costs more than the program needs to start
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T", int, str)

MCL_CURRENT = 1
LOCK_PATIENCE, LOCK_PAUSE = 10.0, 0.01
LONGEST_CALL = 30.0
"""Seconds in which a killed process has left its last call of the kernel, however hard it hangs."""

DONE, NOT_DONE = range(2)
LIBC = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """It cannot be done, or was not; the message says why."""


class Stuck(Exception):
    """It was not done, and something that was stopped does not go on."""


class Members:
    """What is cut: devices that are active, files on them to sync, filesystems to freeze."""

    def __init__(self, plan: dict[str, object], kernel: Kernel) -> None:
        self.pool = str(plan["pool"])
        self.snapshots: list[tuple[int, int]] = [tuple(each) for each in plan["snapshots"]]  # type: ignore[attr-defined]
        self.active = [str(uuid) for uuid in plan["active"]]  # type: ignore[attr-defined]
        self._mounted = [_open(path) for path in plan["mounted"]]  # type: ignore[attr-defined]
        self._raw = [_open(path) for path in plan["raw"]]  # type: ignore[attr-defined]
        self._names = [str(path) for path, _fsid in plan["frozen"]]  # type: ignore[attr-defined]
        self._frozen = [_proven(kernel, *each) for each in plan["frozen"]]  # type: ignore[attr-defined]
        # Shared with the guardian: which of them were frozen by us. Others' are not ours to thaw.
        self._ours = mmap.mmap(-1, len(self._frozen) + 1)

    def sync(self) -> None:
        """Store what is dirty, so that there is little of it when writers wait."""
        for descriptor in (*self._mounted, *self._frozen):
            _sync(descriptor)
        for descriptor in self._raw:
            os.fsync(descriptor)

    def sync_frozen(self) -> None:
        """Once more what a freeze would write while writers wait: short, since `sync` was just done."""
        for descriptor in self._frozen:
            _sync(descriptor)

    def freeze(self, kernel: Kernel) -> None:
        """Freeze what must be; raises `Failed` for what somebody else has frozen."""
        for number, descriptor in enumerate(self._frozen):
            # Noted before: a death in between may thaw what is not frozen, and leaves nothing frozen.
            self._ours[number] = 1
            try:
                kernel.freeze(descriptor)
            except OSError as error:
                self._ours[number] = 0
                if error.errno != errno.EBUSY:
                    raise
                raise Failed(f"{self._names[number]} is frozen by somebody else") from error

    def go_on(self, kernel: Kernel) -> bool:
        """Let all go on that was stopped for the cut; whether the kernel did that."""
        well = [_did(kernel.resume, uuid) for uuid in reversed(self.active)]
        for number, descriptor in reversed(list(enumerate(self._frozen))):
            if self._ours[number]:
                well.append(_did(kernel.thaw, descriptor, unless=errno.EINVAL))
                self._ours[number] = 0
        return all(well)


def _sync(descriptor: int) -> None:
    if LIBC.syncfs(descriptor):
        raise OSError(ctypes.get_errno(), "syncfs")


def _did(call: Callable[[T], None], what: T, unless: int = 0) -> bool:
    """Whether the kernel did it, or did not for a reason that is as good: it is not frozen."""
    try:
        call(what)
    except OSError as error:
        return error.errno == unless
    return True


def _open(path: str) -> int:
    # A single file may be mounted too.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def _proven(kernel: Kernel, path: str, fsid: str) -> int:
    """As `_open`, on the btrfs that is meant: something else may be mounted there by now."""
    if kernel.btrfs(descriptor := _open(path)) != fsid.replace("-", ""):
        raise Failed(f"{path} does not show btrfs {fsid} any more")
    return descriptor


def locked(path: str, patience: float = LOCK_PATIENCE) -> int:
    """The lock of the group, as LVM takes it: LVM removes the file when it gives the lock back."""
    until = time.monotonic() + patience
    Path(path).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    while time.monotonic() < until:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):  # noqa: PTH116
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        time.sleep(LOCK_PAUSE)
    raise Failed("another program holds the lock of the volume group")


class Guardian:
    """The second process, as the first one sees it."""

    def __init__(self, kernel: Kernel, members: Members, limit: float) -> None:
        ended, self._told = os.pipe()
        parent = os.pidfd_open(os.getpid())
        self._pid = os.fork()
        if self._pid == 0:
            _guard(kernel, members, limit, ended, self._told, parent)
        os.close(ended)
        os.close(parent)

    def dismiss(self) -> bool:
        """Tell it that all go on, and wait for its end; whether it was there until then."""
        with suppress(BrokenPipeError):
            os.write(self._told, b".")
        os.close(self._told)
        return os.waitpid(self._pid, 0)[1] == 0


def _guard(
    kernel: Kernel, members: Members, limit: float, ended: int, told: int, parent: int
) -> None:
    """Be the guardian; does not return, and does not end before all go on, whatever happens to it."""
    status = NOT_DONE
    try:
        os.setsid()
        os.close(told)
        LIBC.mlockall(MCL_CURRENT)
        if _is_told(limit, ended, parent, lambda: members.go_on(kernel)):
            status = DONE
    finally:
        try:
            if status != DONE and members.go_on(kernel):
                _say("resumed")
        finally:
            os._exit(status)


def _is_told(limit: float, ended: int, parent: int, go_on: Callable[[], object]) -> bool:
    """Wait for the word that all go on; without it, nobody but the guardian works on them any more."""
    ready, _, _ = select.select([ended], [], [], limit)
    if not ready:
        with suppress(ProcessLookupError):  # it has just ended, and somebody knows that already
            signal.pidfd_send_signal(parent, signal.SIGKILL)
        if not select.select([ended], [], [], LONGEST_CALL)[0]:
            go_on()  # writers need not wait for it, but it may suspend once more when it comes back
            select.select([ended], [], [])
        return False
    return bool(os.read(ended, 1))


def cut(
    kernel: Kernel, members: Members, limit: float, is_wanted: Callable[[], bool]
) -> tuple[float, datetime]:
    """All snapshots, of one moment; for how many seconds writers were held, and the moment."""
    for _, snapshot in members.snapshots:
        kernel.message(members.pool, f"delete {snapshot}")
    members.sync_frozen()
    # That may have taken long, and a container whose driver is dead waits only for as long as what follows.
    if not is_wanted():
        raise Failed("nobody waits for it any more")
    # No page of ours may have to be read from what is suspended. The guardian locks its own.
    LIBC.mlockall(MCL_CURRENT)
    guardian = Guardian(kernel, members, limit)
    crowd = Crowd(kernel.suspend, members.active)
    began = time.monotonic()
    try:
        members.freeze(kernel)
        if not crowd.act():
            raise Failed("not every volume was suspended")
        moment = datetime.now(UTC)
        for origin, snapshot in members.snapshots:
            kernel.message(members.pool, f"create_snap {snapshot} {origin}")
        # The kernel snapshots what goes on as well, and others than LVM take no lock.
        if not all(map(kernel.is_suspended, members.active)):
            raise Failed("somebody let a volume go on before all snapshots were taken")
    finally:
        crowd.call_off()
        well = members.go_on(kernel)
        took = time.monotonic() - began
        was_guarded = guardian.dismiss()
        if not well:
            raise Stuck("a device or a filesystem does not go on")
    if not was_guarded:
        raise Failed("the guardian died")
    return took, moment


def _is_wanted() -> bool:
    """Whether whoever gave the word is still there."""
    poll = select.poll()
    poll.register(sys.stdin, 0)  # the end of it is always told
    return not poll.poll(0)


def main() -> int:
    """Get the plan, wait for the word, do it; returns the exit status."""
    # An interrupt is meant for the driver, which ends this by its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        plan = json.loads(sys.stdin.readline())
        members = Members(plan, kernel := Kernel())
        members.sync()
        lock = locked(plan["lock"])
        _say("ready")
        if sys.stdin.readline() != "go\n":
            return NOT_DONE
        took, moment = cut(kernel, members, plan["limit"], _is_wanted)
        os.close(lock)
        _say(f"cut {took:.6f} {moment.isoformat()}")
    except (OSError, Failed, Stuck) as error:
        _say(f"{'stuck' if isinstance(error, Stuck) else 'failed'} {error}")
        return NOT_DONE
    return DONE


def _say(line: str) -> None:
    with suppress(BrokenPipeError):  # the driver is dead
        os.write(sys.stdout.fileno(), f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main())
