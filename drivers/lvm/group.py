"""The volume group as the parts of the driver see it: what is in it, changing it, its devices."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from drivers import mountinfo
from drivers.errors import Absent, Busy, CommandFailed, NotFound, StorageError, Unavailable
from drivers.exec import Result, Run, remaining, unhurried
from drivers.lvm import commands, devicemapper, targets
from drivers.lvm.host import Lvm
from drivers.lvm.inventory import Inventory
from drivers.lvm.machine import Blocks, Kernel, Machine
from drivers.lvm.moment import Cutter
from drivers.lvm.options import Options
from drivers.lvm.report import Group, Lv
from drivers.model import Connection

log = logging.getLogger(__name__)


class VolumeGroup:
    """One volume group, for one backend."""

    def __init__(self, backend: str, options: Options, run: Run, machine: Machine) -> None:
        self.kernel: Kernel = machine.kernel
        self._headers = machine.headers
        self.blocks: Blocks = machine.blocks
        self.cutter: Cutter = machine.cutter
        self.backend = backend
        self.options = options
        self._run = run
        self._lvm = Lvm(run, options.volume_group, Path(options.runtime_directory) / backend)
        self._changing = threading.RLock()
        self._closing = threading.Event()
        self._inventory: Inventory | None = None
        self.touched = threading.Event()
        """Set by every command that may have changed the group; whoever waits for that clears it."""

    @property
    def name(self) -> str:
        """The group's name in LVM."""
        return self.options.volume_group

    @property
    def inventory(self) -> Inventory:
        """The shared report; raises `Unavailable` before `open`."""
        if self._inventory is None:
            raise Unavailable(f"backend {self.backend} is not set up")
        return self._inventory

    @property
    def id(self) -> str:
        """The backend id."""
        return self.inventory.latest().id

    def open(self) -> Group:
        """Find the disks and read the group; raises `Absent` if no disk carries it."""
        devices = self._lvm.find_devices()
        if not devices:
            raise Absent(
                f"backend {self.backend}: no disk of this node has volume group {self.name}"
            )
        headers = self._headers(devices)
        if self._inventory is None:
            inventory = Inventory(self._report, headers.read)
            inventory.fresh()
            self._inventory = inventory
        else:
            # Others read it at this moment: it stays, and looks at the disks of today.
            self._inventory.look_at(headers.read)
        return self.read()

    def _report(self) -> Group:
        # It is made because the group has changed: somebody else may have changed it.
        self.touched.set()
        return self._lvm.report()

    def stop(self) -> None:
        """From now on, what takes long ends at its next `tick`."""
        self._closing.set()

    def tick(self, _done: int = 0) -> None:
        """Raise `Busy` once the driver is closed.

        For what takes long in a call: its marks say how far it is, and the repeated call goes on.
        """
        if self._closing.is_set():
            raise Busy(f"the process that works on volume group {self.name} ends; ask again")

    def pause(self, seconds: float) -> None:
        """Wait, and `tick`."""
        self._closing.wait(seconds)
        self.tick()

    def close(self) -> None:
        """Make no more reports."""
        if self._inventory is not None:
            self._inventory.close()

    def read(self) -> Group:
        """The group as it is now."""
        return self.inventory.fresh()

    def trouble(self, now: Group) -> str:
        """Why it must be looked for anew, by a set-up: its disks may have other names now."""
        missing = f"{now.missing} disks are missing" if now.missing else ""
        return self.inventory.trouble or missing

    @contextmanager
    def changing(self) -> Iterator[Group]:
        """Be the only one in this process who changes the group; gives it as it is now.

        LVM serialises changes anyway; this also keeps what was decided from a report true until it
        is done. Raises `Busy` at the caller's deadline, `Unavailable` while disks are missing: LVM
        would change a group of which nobody knows the other half. Once begun, the block is not cut
        short by the deadline: what is half done is finished.
        """
        with self.alone() as group:
            if group.missing:
                lost = ", ".join(pv.uuid for pv in group.pvs if pv.missing)
                raise Unavailable(
                    f"volume group {self.name} lacks {group.missing} of its disks ({lost}):"
                    " bring them back or look at vgreduce --removemissing"
                )
            with unhurried():
                yield group

    @contextmanager
    def alone(self) -> Iterator[Group]:
        """As `changing`, for what changes no metadata: also with disks missing, and in a hurry.

        If an LVM of ours was killed, devices that it left suspended are brought back first.
        """
        left = remaining()
        if not self._changing.acquire(timeout=-1 if left is None else left):
            raise Busy(f"volume group {self.name} is being changed; ask again")
        try:
            now = self.read()
            if self._lvm.was_killed:
                self.revive(now)
            yield now
        finally:
            self._changing.release()

    def between(self, patience: float) -> Group | None:
        """The group at a moment at which nobody else in this process changes it.

        None if that moment does not come within ``patience`` seconds.
        """
        if not self._changing.acquire(timeout=patience):
            return None
        try:
            return self.read()
        finally:
            self._changing.release()

    def revive(self, now: Group) -> None:
        """Bring suspended devices back; raises `Unavailable` if one stays.

        A suspended device stops everybody who reads it, for ever, and is left behind only by a killed
        LVM process. Refreshing the volume loads what the metadata says and resumes; what is hidden
        inside another volume, or gone from the metadata, is resumed as it is. Called while changing the
        group: what our own commands suspend for a moment is not to be resumed.
        """
        with unhurried():
            for device in self.suspended():
                self._refresh(now, device)
            for device in self.suspended():
                self.resume(device)
            if left := [device.name for device in self.suspended()]:
                raise Unavailable(f"devices {', '.join(left)} stay suspended; look at dmsetup info")
        self._lvm.was_killed = False

    def _refresh(self, now: Group, device: devicemapper.Device) -> None:
        known = (lv for lv in now.lvs.values() if device.uuid.startswith(now.dm_uuid(lv)))
        lv = next(known, None)
        if lv is None or lv.parent:
            return
        log.warning("device %s was left suspended: refreshing %s", device.name, lv.name)
        try:
            self.run(commands.refresh(self.name, lv.name))
        except StorageError as error:
            log.warning("refreshing %s failed: %s", lv.name, error)

    def run(self, argv: Sequence[str]) -> Result:
        """Run one of `commands`; raises the named errors of `host`."""
        try:
            return self._lvm.run(argv)
        finally:
            self.touched.set()

    def run_beside(self, argv: Sequence[str]) -> Result:
        """Run a program that is not LVM and changes nothing of the group, up to the caller's deadline."""
        return self._run(argv)

    def step(self, what: str) -> None:
        """See `drivers.exec.Run.step`."""
        self._lvm.step(what)

    def retag(self, lv: Lv, *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Change tags in one transaction."""
        self.run(commands.retag(self.name, lv.name, add=add, remove=remove))

    def owns(self, identifier: str) -> bool:
        """Whether it is an id of this backend; what it names may be there or not."""
        backend, _, object_id = identifier.partition(".")
        # Without an object id it would be that of every volume without the tag that is looked for.
        return bool(object_id) and backend == self.id

    def object_id(self, identifier: str) -> str:
        """The object id in an id of this backend; raises `NotFound` for any other."""
        if not self.owns(identifier):
            raise NotFound(f"{identifier!r} is not an id of backend {self.backend}")
        return identifier.partition(".")[2]

    def device(self, lv: Lv, suffix: str = "") -> devicemapper.Device | None:
        """The kernel's device of ``lv``; None while it is not active."""
        return self.kernel.device(self.inventory.latest().dm_uuid(lv) + suffix)

    def status(self, lv: Lv, suffix: str = "") -> Sequence[devicemapper.Target]:
        """What the kernel says of ``lv``'s device; empty while it is not active."""
        return self.kernel.status(self.inventory.latest().dm_uuid(lv) + suffix)

    def devices(self) -> Sequence[devicemapper.Device]:
        """All devices of the group in the kernel, hidden ones too."""
        return self.kernel.devices(f"LVM-{self.id}")

    def suspended(self) -> Sequence[devicemapper.Device]:
        """Those that do not go on."""
        return [device for device in self.devices() if device.suspended]

    def resume(self, device: devicemapper.Device) -> None:
        """Let a suspended device go on."""
        self.kernel.resume(device.name)

    def is_open(self, lv: Lv) -> bool:
        """Whether somebody has the device open, or its node is handed to a pod that may open it."""
        device = self.device(lv)
        return device is not None and (device.opened > 0 or mountinfo.is_handed_out(device.path))

    def again(self, lv: Lv) -> Lv:
        """``lv`` as it is now, whatever its name; raises `Unavailable` if somebody removed it."""
        for each in self.read().lvs.values():
            if each.uuid == lv.uuid:
                return each
        raise Unavailable(f"logical volume {self.name}/{lv.name} was removed meanwhile; ask again")

    def activate(self, lv: Lv) -> devicemapper.Device:
        """Make the device appear; nothing is run if it is there."""
        if (device := self.device(lv)) is None:
            self._activate(lv)
            device = self.device(lv)
        if device is None:
            raise Unavailable(f"LVM activated {self.name}/{lv.name}, but no device appeared")
        if device.suspended:
            raise Unavailable(
                f"the device of {self.name}/{lv.name} is suspended; look at dmsetup info"
            )
        return device

    def _activate(self, lv: Lv) -> None:
        try:
            self.run(commands.activate(self.name, lv.name))
        except CommandFailed as failed:
            if lacking := targets.missing_personality(lv.type, failed):
                raise lacking from failed
            raise

    def connection(self, lv: Lv) -> Connection:
        """Activate and say where the device is, how large, and what proves that it is this one."""
        device = self.activate(lv)
        return Connection(path=device.path, size=_size(device.path), dm_uuid=device.uuid)

    def deactivate(self, lv: Lv) -> None:
        """Take the device away if it is there; raises `InUse` while it is open."""
        if self.device(lv) is not None:
            self.run(commands.deactivate(self.name, lv.name))


def _size(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(f"the device {path} cannot be opened: {error.strerror}") from error
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)
