"""One life of a driver: the programs it starts, what it asks the kernel, and its end.

Everything that a driver changes outside of its memory is an event with a number. A process can be told
to die before or after any of them, and then does nothing more, in any of its threads. To die around
what only reads would be to die after the event before it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from functools import partial
from itertools import count
from threading import current_thread, main_thread
from typing import Any, Never

from drivers.errors import Busy, CommandFailed, InUse, Unavailable
from drivers.exec import NOTHING, Arg, Result, Run
from drivers.lvm import devicemapper
from drivers.lvm.blocks import Tick, untold
from drivers.lvm.headers import Fingerprint
from drivers.lvm.machine import Machine
from drivers.lvm.moment import Plan, Taken, Unsettled
from drivers.manageable import Found, Hindrance, Obstacle
from drivers.model import Connection, FsType, VolumeMode
from drivers.signatures import Look
from tests.fakes.lvm.machine import FakeLvm
from tests.fakes.lvm.report import raid
from tests.fakes.lvm.state import EXTENT, Device, Logical, State

READING = re.compile(r"^lvm (fullreport|lvs|pvs|vgcfgbackup)|--test")


class Died(BaseException):
    """The process is no more."""


class Moment(Enum):
    """When, seen from an event."""

    BEFORE = "before"
    AFTER = "after"
    WITHIN = "within"
    """After the first of several volumes: LVM changes one after the other, in the order of the group."""


@dataclass(frozen=True, slots=True)
class Event:
    """A program run, or an effect that is no program."""

    what: str
    lasting: bool = False
    """Whether it may outlast the caller's deadline."""

    @property
    def changes(self) -> bool:
        """Whether the machine is another after it."""
        return not READING.search(self.what)


class Process:
    """A `Run`, a `Kernel`, a `Blocks` and a maker of `Fingerprints`, all of one process."""

    def __init__(
        self, lvm: FakeLvm, dies_at: int | None = None, moment: Moment = Moment.AFTER
    ) -> None:
        self.lvm = lvm
        self.events: list[Event] = []
        self.changes: list[str] = []
        self.dead = False
        self.environment: Mapping[str, str] = NOTHING
        self.meanwhile: Callable[[str], None] = lambda _what: None
        """Called before each event, in the thread that it happens in: what others do then."""
        self.killed = ""
        """Words of the next command that somebody kills, with its device suspended."""
        self.looks = 0
        """How often the header of the group was read."""
        self.cut_fails = False
        """Whether something dies in the middle of every cut."""
        self.cut_leaves_suspended = False
        """Whether all that has part in it dies in the middle of every cut."""
        self.cut_ends: BaseException = Unsettled("the cut was given up")
        """What the driver hears of it then."""
        self.plan: Plan | None = None
        """What was cut last."""
        self._dies_at = dies_at
        self._moment = moment
        self._open: dict[int, tuple[Device, Logical]] = {}
        self._handles = count(100)

    @property
    def machine(self) -> Machine:
        """This process as the driver's machine."""
        headers = partial(Header, self)
        return Machine(kernel=self, blocks=self, headers=headers, cutter=self.cut, moment=0.01)

    def die_after_this(self) -> None:
        """To be called meanwhile: the event that begins now is the last one."""
        self.die_after(0)

    def die_after(self, more: int | None) -> None:
        """Die after so many more events; None: live on."""
        self._dies_at = None if more is None else len(self.changes) - 1 + more

    # Run

    def __call__(self, argv: Sequence[Arg], **manner: Any) -> Result:
        args = [os.fspath(arg) for arg in argv]
        self.environment = manner.get("environment", NOTHING)
        with self._event(Event(" ".join(args), manner.get("wait", False))) as breaks_off:
            if breaks_off:
                args = self._first(args)
            if self.killed and self.killed in " ".join(args):
                result, self.killed = self.lvm.kill(args), ""
            else:
                result = self.lvm.run(args)
        if result.code not in manner.get("ok", (0,)):
            raise CommandFailed(args[0], result.code, result.stderr)
        return result

    def _first(self, args: Sequence[str]) -> Sequence[str]:
        """The same of the first volume alone."""
        names = [lv.name for lv in self.lvm.state.lvs.values()]
        subjects = [each for each in args if each.partition("/")[2] in names]
        subjects.sort(key=lambda each: names.index(each.partition("/")[2]))
        return [each for each in args if each not in subjects[1:]]

    def step(self, what: str) -> None:
        with self._event(Event(what)):
            pass

    # Kernel

    def device(self, uuid: str) -> devicemapper.Device | None:
        with self._alive() as state:
            found = state.devices.get(uuid)
            return None if found is None else _told(found)

    def status(self, uuid: str) -> tuple[devicemapper.Target, ...]:
        with self._alive() as state:
            lv = next((lv for lv in state.lvs.values() if state.dm_uuid(lv) == uuid), None)
            if lv is None or state.device(lv) is None:
                return ()
            if lv.type == "thin-pool":
                rest = "- rw no_discard_passdown error_if_no_space - 1024"
                return (devicemapper.Target("thin-pool", f"{self.lvm.fill} {rest}"),)
            if lv.images and not state.cows(lv):
                return (devicemapper.Target("raid", raid(state, lv, self.lvm.failed)),)
            for cow in state.cows(lv):
                if cow.merging:
                    return (devicemapper.Target("snapshot-merge", self.lvm.merge(cow)),)
            told = "Invalid" if lv.overflowed else "16/81920 16"
            return (devicemapper.Target("snapshot" if lv.is_cow else "linear", told),)

    def devices(self, prefix: str) -> list[devicemapper.Device]:
        with self._alive() as state:
            return [_told(one) for one in state.devices.values() if one.uuid.startswith(prefix)]

    def resume(self, name: str) -> None:
        with self._event(Event(f"resume {name}")), self._alive() as state:
            for device in state.devices.values():
                if device.name == name:
                    device.suspended = False

    # Blocks

    @contextmanager
    def opened(self, connection: Connection, *, write: bool = False) -> Iterator[int]:
        with self._alive() as state:
            device = state.devices.get(connection.dm_uuid)
            if device is None or device.path != connection.path:
                raise Unavailable(f"{connection.path} is not {connection.dm_uuid}")
            if write and device.opened:
                raise InUse(f"{connection.path} is in use")
            device.opened += 1
            lv = next(lv for lv in state.lvs.values() if state.dm_uuid(lv) == device.uuid)
            handle = next(self._handles)
            self._open[handle] = device, lv
        try:
            yield handle
        finally:
            device.opened -= 1
            del self._open[handle]

    def zero(self, descriptor: int, start: int, length: int, tick: Tick = untold) -> None:
        self._each("zero", descriptor, start, length, lambda _at: "", tick)

    def discard(self, descriptor: int, start: int, length: int, tick: Tick = untold) -> None:
        self._each("discard", descriptor, start, length, lambda _at: "", tick)

    def copy(self, source: int, target: int, length: int, tick: Tick = untold) -> None:
        _device, lv = self._open[source]
        self._each("copy", target, 0, length, lambda at: self.lvm.state.read(lv, at), tick)

    def look(self, descriptor: int, size: int, run: Run) -> Look:
        """By the first extent: empty, a filesystem's name, or ``damaged`` and that, or anything."""
        _device, lv = self._open[descriptor]
        first = self.lvm.state.read(lv, 0)
        kind = first.removeprefix("damaged ")
        if kind not in {each.value for each in FsType}:
            obstacle = Obstacle(Hindrance.UNKNOWN_FILESYSTEM, f"it holds {first or 'nothing'}")
            return Found(first, VolumeMode.BLOCK), obstacle
        damage = Obstacle(Hindrance.DAMAGED_FILESYSTEM, f"its {kind} is damaged")
        return Found(kind, VolumeMode.FILESYSTEM), damage if kind != first else None

    def _each(
        self,
        what: str,
        descriptor: int,
        start: int,
        length: int,
        content: Callable[[int], str],
        tick: Tick,
    ) -> None:
        assert start % EXTENT == length % EXTENT == 0, "the model knows whole extents only"
        _device, lv = self._open[descriptor]
        for done in range(0, length, EXTENT):
            at = (start + done) // EXTENT
            with self._event(Event(f"{what} {lv.name} {at}")), self._alive() as state:
                state.write(lv, at, content(at))
            tick(done + EXTENT)

    # Cutter

    def cut(self, group: str, plan: Plan, is_current: Callable[[], bool]) -> Taken:
        """All at one moment, unless it is said that the cut fails."""
        assert group == self.lvm.state.name
        if not is_current():
            raise Busy("the group was changed meanwhile")
        with self._event(Event(f"cut {len(plan.snapshots)}")), self._alive():
            if self.cut_fails:
                raise Busy("the cut was given up")
            if self.cut_leaves_suspended:
                for uuid in plan.active:
                    self.lvm.state.devices[uuid].suspended = True
                raise self.cut_ends
            for origin, snapshot in plan.snapshots:
                self.lvm.cut(origin, snapshot)
        self.plan = plan
        return Taken(datetime.now(UTC), 0.01)

    def seqno(self) -> int:
        """The number of the group's last change, as its header tells it."""
        with self._alive() as state:
            self.looks += 1
            self.lvm.moved.notify_all()
            return state.seqno

    # Life and death

    @contextmanager
    def _alive(self) -> Iterator[State]:
        if self.dead:
            self._perish()
        with self.lvm.guard:
            yield self.lvm.state

    def _perish(self) -> Never:
        # A thread has nobody to hand its end to: an error that it knows stops it.
        raise Died if current_thread() is main_thread() else Unavailable("the process is dead")

    @contextmanager
    def _event(self, event: Event) -> Iterator[bool]:
        """Count it, and die where that was asked for; for the block, whether it is to come half way."""
        with self._alive():
            number = len(self.changes)
            self.events.append(event)
            if event.changes:
                self.changes.append(event.what)
            self.lvm.moved.notify_all()
        self.meanwhile(event.what)
        ends = event.changes and number == self._dies_at
        self._end(ends and self._moment is Moment.BEFORE)
        yield ends and self._moment is Moment.WITHIN
        self._end(ends)

    def _end(self, now: bool) -> None:
        if now:
            with self.lvm.moved:
                self.dead = True
                self.lvm.moved.notify_all()
            self._perish()


class Header:
    """The fingerprint of the group: the number of its last change, on each of its disks."""

    def __init__(self, process: Process, devices: Sequence[str]) -> None:
        self._process = process
        self._devices = devices

    def read(self) -> Fingerprint:
        gone = self._process.lvm.pulled.intersection(self._devices)
        if gone := {*gone, *(each for each in self._devices if not each.startswith("/"))}:
            raise Unavailable(f"the disk {', '.join(gone)} cannot be opened: No such device")
        seqno = self._process.seqno()
        return tuple(f"{device} {seqno}".encode() for device in self._devices)


def _told(device: Device) -> devicemapper.Device:
    return devicemapper.Device(
        device.name, device.uuid, device.opened, device.suspended, device.path, device.waits
    )
