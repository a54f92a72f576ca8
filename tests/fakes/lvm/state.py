"""What there is: disks, logical volumes, devices; and what a reader of an extent finds there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

from drivers.model import MIB

EXTENT = MIB
CHUNK = 4096
"""Bytes of a chunk of a COW area."""


class Refused(Exception):
    """LVM does not do it: its exit status and its words."""

    def __init__(self, words: str, code: int = 5) -> None:
        super().__init__(words)
        self.words = words
        self.code = code


def new_uuid() -> str:
    """A UUID in LVM's spelling: 32 characters in groups of 6, 4, 4, 4, 4, 4 and 6."""
    text = uuid.uuid4().hex
    cuts = (0, 6, 10, 14, 18, 22, 26, 32)
    return "-".join(text[begin:end] for begin, end in pairwise(cuts))


@dataclass(frozen=True, slots=True)
class Span:
    """Extents of a disk that follow each other."""

    disk: str
    first: int
    count: int

    def __str__(self) -> str:
        return f"{self.disk}:{self.first}-{self.first + self.count - 1}"

    def __iter__(self) -> Iterator[tuple[str, int]]:
        return ((self.disk, self.first + each) for each in range(self.count))


@dataclass(slots=True)
class Disk:
    """A physical volume; ``content`` is what each extent holds, and "" reads as zeros."""

    name: str
    uuid: str
    content: list[str]
    missing: bool = False


@dataclass(slots=True)
class Device:
    """A device of the kernel."""

    name: str
    uuid: str
    path: Path
    opened: int = 0
    suspended: bool = False
    waits: bool = False
    """Whether another table waits: whoever suspended it was LVM."""


@dataclass(slots=True, eq=False)
class Logical:
    """A logical volume. References are UUIDs, so that a rename changes nothing else.

    ``segments`` of a volume on disks hold one span per stripe; one of a RAID has its ``images``.
    ``blocks`` is the content of a thin volume. ``kept`` is what a COW snapshot holds of its origin's
    former content, by extent; ``shown`` the extents that it shows.
    """

    name: str
    type: str
    uuid: str = field(default_factory=new_uuid)
    segments: list[tuple[Span, ...]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    extents: int = 0
    tags: set[str] = field(default_factory=set)
    roles: str = "public"
    parent: str = ""
    pool: str = ""
    thin_id: int = 0
    origin: str = ""
    skip: bool = False
    zeroes: bool = True
    when_full: str = ""
    blocks: list[str] = field(default_factory=list)
    is_cow: bool = False
    merging: bool = False
    overflowed: bool = False
    kept: dict[int, str] = field(default_factory=dict)
    shown: int = 0
    health: str = ""
    read_only: bool = False

    @property
    def spans(self) -> list[Span]:
        return [span for segment in self.segments for span in segment]


class State:
    """The group, its disks and the kernel's devices."""

    def __init__(self, name: str, disks: dict[str, int], directory: Path) -> None:
        self.name = name
        self.uuid = new_uuid()
        self.disks = {
            path: Disk(path, new_uuid(), [""] * extents) for path, extents in disks.items()
        }
        self.lvs: dict[str, Logical] = {}
        self.devices: dict[str, Device] = {}
        self.tags: set[str] = set()
        self.seqno = 1
        self._directory = directory
        self._minors = 0
        self._thin_ids = 0

    def lv(self, name: str) -> Logical:
        found = self.get(name)
        if found is None:
            raise Refused(f'Failed to find logical volume "{self.name}/{name}"')
        return found

    def get(self, name: str) -> Logical | None:
        return next((lv for lv in self.lvs.values() if lv.name == name), None)

    def add(self, lv: Logical) -> Logical:
        if lv.type == "thin" and not lv.thin_id:
            self._thin_ids += 1
            lv.thin_id = self._thin_ids
        self.lvs[lv.uuid] = lv
        return lv

    def children(self, lv: Logical) -> list[Logical]:
        return [each for each in self.lvs.values() if each.parent == lv.uuid]

    def cows(self, origin: Logical) -> list[Logical]:
        return [each for each in self.lvs.values() if each.is_cow and each.origin == origin.uuid]

    def free(self, disk: str) -> list[int]:
        taken = {
            at for lv in self.lvs.values() for span in lv.spans for name, at in span if name == disk
        }
        return [at for at in range(len(self.disks[disk].content)) if at not in taken]

    def rename_disk(self, old: str, new: str) -> None:
        disk = self.disks.pop(old)
        disk.name, self.disks[new] = new, disk
        for lv in self.lvs.values():
            lv.segments = [
                tuple(replace(each, disk=new) if each.disk == old else each for each in spans)
                for spans in lv.segments
            ]

    # The kernel

    def dm_uuid(self, lv: Logical) -> str:
        suffix = "-tpool" if lv.type == "thin-pool" else ""
        return f"LVM-{self.uuid.replace('-', '')}{lv.uuid.replace('-', '')}{suffix}"

    def device(self, lv: Logical) -> Device | None:
        return self.devices.get(self.dm_uuid(lv))

    def activate(self, lv: Logical) -> None:
        root = self.lvs[lv.origin] if lv.is_cow else lv
        for each in (root, *self.cows(root)):
            if self.device(each) is None:
                self._appear(each)
        if lv.pool:
            self.activate(self.lvs[lv.pool])

    def deactivate(self, lv: Logical) -> None:
        root = self.lvs[lv.origin] if lv.is_cow else lv
        for each in (root, *self.cows(root)):
            self.refuse_open(each)
        for each in (root, *self.cows(root)):
            self.devices.pop(self.dm_uuid(each), None)

    def refuse_open(self, lv: Logical) -> None:
        device = self.device(lv)
        if device is not None and device.opened:
            raise Refused(f"Logical volume {self.name}/{lv.name} in use.")

    def _appear(self, lv: Logical) -> None:
        self._minors += 1
        path = self._directory / f"dm-{self._minors}"
        with path.open("wb") as file:
            file.truncate(self.size(lv) * EXTENT)
        name = f"{self.name}-{lv.name.replace('-', '--')}"
        self.devices[self.dm_uuid(lv)] = Device(name, self.dm_uuid(lv), path)

    # Content

    def size(self, lv: Logical) -> int:
        """The extents that a reader of the device sees."""
        return lv.shown if lv.is_cow else lv.extents

    def read(self, lv: Logical, at: int) -> str:
        if lv.type == "thin":
            return lv.blocks[at]
        if lv.is_cow:
            return lv.kept[at] if at in lv.kept else self.read(self.lvs[lv.origin], at)
        disk, extent = self.places(lv, at)[0]
        return self.disks[disk].content[extent]

    def write(self, lv: Logical, at: int, what: str) -> None:
        if lv.type == "thin":
            lv.blocks[at] = what
            return
        for cow in self.cows(lv):
            if at not in cow.kept and at < cow.shown and not cow.merging:
                self._keep(cow, at, self.read(lv, at))
        for disk, extent in self.places(lv, at):
            self.disks[disk].content[extent] = what

    def bring_home(self, cow: Logical, count: int) -> None:
        """The kernel merges: as many of the snapshot's extents are copied to its origin."""
        for at in sorted(cow.kept)[:count]:
            self.write(self.lvs[cow.origin], at, cow.kept[at])

    def places(self, lv: Logical, at: int) -> list[tuple[str, int]]:
        """Where extent ``at`` lies, once per image."""
        if lv.images:
            stripes = len(lv.images) // 2
            first = 2 * (at % stripes)
            pair = lv.images[first : first + 2]
            return [self.places(self.lvs[image], at // stripes)[0] for image in pair]
        for spans in lv.segments:
            length = len(spans) * spans[0].count
            if at < length:
                span = spans[at % len(spans)]
                return [(span.disk, span.first + at // len(spans))]
            at -= length
        raise IndexError(f"{lv.name} ends before that extent")

    def _keep(self, cow: Logical, at: int, what: str) -> None:
        # The first extent of an area holds the tables, as far as this model goes.
        slot = 1 + len(cow.kept)
        if slot >= cow.extents:
            cow.overflowed = True
            return
        cow.kept[at] = what
        ((disk, extent),) = self.places(cow, slot)[:1]
        self.disks[disk].content[extent] = what
