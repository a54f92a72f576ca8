"""The whole machine: what a test puts together, looks at, and does by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path

from drivers.exec import Result
from tests.fakes.lvm import report, targets, words
from tests.fakes.lvm.changes import Changes
from tests.fakes.lvm.creation import Creation
from tests.fakes.lvm.state import Device, Logical, Refused, Span, State

DISKS = {"/dev/sda": 40, "/dev/sdb": 32, "/dev/sdc": 24, "/dev/sdd": 20}
READS = {"fullreport", "lvs", "pvs", "vgcfgbackup"}


class FakeLvm:
    """A volume group in memory, on disks that a test names with their extents (of 1 MiB)."""

    def __init__(self, directory: Path, disks: dict[str, int] = DISKS, name: str = "vg") -> None:
        self.directory = directory
        self.state = State(name, dict(disks), directory)
        self.others: dict[str, str] = {"/dev/sdx": "elsewhere"}
        self.locked = 0
        """How many of the next commands find the lock of the group taken."""
        self.fill = "1 16/2048 0/1024"
        """What the kernel says of every pool: transaction, metadata and data used of total."""
        self.merging_looks = 0
        """How often somebody looks at the kernel's merges before they are done."""
        self.merge_fails = ""
        """What the kernel says of a merge that it gave up."""
        self.unloadable: set[str] = set()
        """Modules that the kernel lacks and modprobe does not find."""
        self.failed: set[str] = set()
        """Disks that the kernel gave up, and of which the metadata says nothing."""
        self.pulled: set[str] = set()
        """Where there was a disk: nobody can read a header there."""
        self.guard = threading.RLock()
        self.moved = threading.Condition(self.guard)

    def copy(self) -> FakeLvm:
        """The same machine as it is now, to begin from more than once."""
        made = FakeLvm(self.directory)
        made.state = deepcopy(self.state)
        return made

    def add_pool(self, name: str = "pool", extents: int = 16) -> None:
        """A thin pool as `hearth backend create` makes it, active."""
        pool = Logical(name, "thin-pool", extents=extents, roles="private", when_full="error")
        for part, role, count in (("tdata", "data", extents), ("tmeta", "metadata", 1)):
            free = self.state.free("/dev/sda")[:count]
            lv = Logical(f"{name}_{part}", "linear", extents=count, parent=pool.uuid)
            lv.segments = [(Span("/dev/sda", free[0], count),)]
            lv.roles = f"private,thin,pool,{role}"
            self.state.add(lv)
        self.state.add(pool)
        self.state.activate(pool)
        self.state.seqno += 1

    def run(self, argv: Sequence[str]) -> Result:
        """One command of LVM."""
        args = tuple(argv)
        with self.moved:
            try:
                said = self._run(args)
            except Refused as refused:
                return Result(args, refused.code, "", f"  {refused.words}\n")
            finally:
                self.moved.notify_all()
        return Result(args, 0, said, "")

    def merge(self, cow: Logical) -> str:
        """What the kernel says of a merge, which has gone on a little since it was asked before."""
        if self.merging_looks:
            self.merging_looks -= 1
            self.moved.notify_all()
            return "48/96 16"
        if self.merge_fails:
            return self.merge_fails
        self.state.bring_home(cow, len(cow.kept))
        return "16/96 16"

    def cut(self, origin: int, snapshot: int) -> None:
        """The thin pool takes a snapshot under the number of a placeholder."""
        by_id = {lv.thin_id: lv for lv in self.state.lvs.values() if lv.thin_id}
        by_id[snapshot].blocks = list(by_id[origin].blocks)

    def kill(self, argv: Sequence[str]) -> Result:
        """A command that was killed while the device of what it changes was suspended."""
        name = words.read(tuple(argv)).operands[0].partition("/")[2]
        with self.moved:
            device = self.device(self.lv(name))
            device.suspended = device.waits = True
            self.moved.notify_all()
        return Result(tuple(argv), -9, "", "")

    def _run(self, argv: Sequence[str]) -> str:
        if argv[0] == "sync":
            return ""
        command = words.read(argv)
        if self.locked and "--readonly" not in command.options:
            self.locked -= 1
            raise Refused(
                "/run/lock/lvm/V_vg:aux: flock failed: Resource temporarily unavailable\n"
                "  Can't get lock for vg\n  Cannot process volume group vg"
            )
        if command.command == "pvs":
            return report.physical(self.state, self.others)
        self._refuse_group(command)
        if command.command == "fullreport":
            return report.full(self.state)
        if command.command == "vgcfgbackup":
            report.write(self.state, Path(command.value("--file")))
            return ""
        targets.refuse(self.state, self.unloadable, command)
        if command.command == "lvs":
            return report.details(self.state.lv(command.operands[0].partition("/")[2]))
        self._change(command)
        if "--test" not in command.options:
            self.state.seqno += 1
        return ""

    def _refuse_group(self, command: words.Words) -> None:
        group = command.operands[0].partition("/")[0]
        if group != self.state.name:
            raise Refused(
                f'Volume group "{group}" not found\n  Cannot process volume group {group}'
            )
        partial = any(disk.missing for disk in self.state.disks.values())
        if partial and command.command not in READS and "--activate" not in command.options:
            raise Refused(f"Cannot change VG {group} while PVs are missing.")

    def _change(self, command: words.Words) -> None:
        changes = Changes(self.state)
        match command.command:
            case "lvcreate":
                Creation(self.state).run(command)
            case "lvremove":
                changes.remove(command)
            case "lvrename":
                changes.rename(command)
            case "vgchange":
                changes.change_group(command)
            case "lvchange":
                changes.change(command)
            case "lvextend":
                changes.extend(command)
            case "lvpoll":
                changes.poll(command)
            case "lvconvert" if "--splitsnapshot" in command.options:
                changes.split(command)
            case "lvconvert" if "--merge" in command.options:
                self._merge(changes, command)
            case other:
                raise Refused(f"{other}: no such command", 2)

    def _merge(self, changes: Changes, command: words.Words) -> None:
        origin = changes.merged_origin(command)
        if changes.begin_merge(command):
            changes.finish_merge(origin)

    # What a test looks at and does by hand

    def lv(self, name: str) -> Logical:
        """The logical volume of that name."""
        return self.state.lv(name)

    def object(self, identifier: str) -> Logical:
        """The logical volume of an id of the driver's."""
        (found,) = self.tagged(f"hearth.id={identifier.partition('.')[2]}")
        return found

    def tagged(self, tag: str) -> list[Logical]:
        """The logical volumes with a tag that begins so."""
        return [lv for lv in self.state.lvs.values() if any(one.startswith(tag) for one in lv.tags)]

    def names(self) -> list[str]:
        """All that is visible, the pools left out."""
        every = self.state.lvs.values()
        return sorted(lv.name for lv in every if lv.roles == "public")

    def content(self, lv: Logical) -> list[str]:
        """What a reader of its device sees, extent by extent."""
        return [self.state.read(lv, at) for at in range(self.state.size(lv))]

    def pull(self, disk: str) -> None:
        """The disk vanishes."""
        self.state.disks[disk].missing = True
        self.pulled.add(disk)

    def plug(self, disk: str, name: str) -> None:
        """A disk that was pulled is back, under that name."""
        self.pulled.discard(name)
        self.state.rename_disk(disk, name)
        self.state.disks[name].missing = False

    def write(self, lv: Logical, what: str, *extents: int) -> None:
        """Somebody writes ``what`` to these extents, or to all of them."""
        with self.guard:
            for at in extents or range(lv.extents):
                self.state.write(lv, at, what)

    def device(self, lv: Logical) -> Device:
        """Its device; there must be one."""
        found = self.state.device(lv)
        assert found is not None, f"{lv.name} is not active"
        return found

    def free(self) -> int:
        """The free extents of all disks."""
        return sum(len(self.state.free(disk)) for disk in self.state.disks)

    def old_blocks(self) -> set[str]:
        """What whoever gets the free extents would read in them."""
        found = {
            self.state.disks[disk].content[at]
            for disk in self.state.disks
            for at in self.state.free(disk)
        }
        return found - {""}

    def wait_for(self, claim: Callable[[], bool]) -> None:
        """Return when the background has made it true."""
        with self.moved:
            assert self.moved.wait_for(claim, 10), "it does not become true"
