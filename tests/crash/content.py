"""Bytes that are known again: written into volumes, compared, and looked for where they must not be."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from drivers.lvm import commands, devicemapper
from drivers.lvm.host import Lvm
from drivers.lvm.report import Group, Lv
from drivers.model import MIB, SnapshotId
from tests.crash.disks import EXTENT, GROUP, START, data
from tests.crash.door import HOST
from tests.crash.node import NAME, Home, Node

MARK = b"a block of the crash tests, "
BLOCK = 4096


def pattern(seed: int, size: int) -> bytes:
    """Bytes of which every block is unlike all other blocks, and begins with the mark."""
    heads = (MARK + b"%d %d " % (seed, number) for number in range(size // BLOCK))
    return b"".join(head.ljust(BLOCK, b"~") for head in heads)


def fill(node: Node, name: str, seed: int) -> None:
    """Write a pattern over a whole raw volume."""
    with node.connected(name) as connection:
        write(connection.path, pattern(seed, connection.size))


def content(node: Node, name: str) -> bytes:
    """Every byte of a volume."""
    with node.connected(name) as connection:
        return read(connection.path)


def snapshot_content(node: Node, name: str) -> bytes:
    """Every byte that a snapshot shows."""
    return member_content(node, node.snapshot_of(name).id)


def member_content(node: Node, snapshot_id: SnapshotId) -> bytes:
    """As `snapshot_content`, of one that has no name of its own."""
    lvm, group = look(node.home)
    object_id = snapshot_id.partition(".")[2]
    lv = next(each for each in group.lvs.values() if each.object_id == object_id)
    root = group.lvs[lv.origin] if lv.is_cow else lv
    lvm.run(commands.activate(GROUP, root.name))
    device = devicemapper.device(group.dm_uuid(lv))
    assert device is not None
    try:
        return read(device.path)
    finally:
        lvm.run(commands.deactivate(GROUP, root.name))


def look(home: Home) -> tuple[Lvm, Group]:
    """The group as LVM itself reports it, asked beside the driver."""
    lvm = Lvm(HOST, GROUP, home.runtime / NAME)
    return lvm, lvm.report()


def write(path: Path, content: bytes, at: int = 0) -> None:
    """Write to a device or file, and wait until it is stored."""
    descriptor = os.open(path, os.O_WRONLY)
    try:
        view = memoryview(content)
        while view:
            count = os.pwrite(descriptor, view, at)
            view, at = view[count:], at + count
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path) -> bytes:
    """Read a device or file from its storage."""
    with path.open("rb") as opened:
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return opened.read()


def read_part(path: Path, at: int, length: int) -> bytes:
    """Read some bytes of a device or file from its storage."""
    with path.open("rb", 0) as opened:
        os.posix_fadvise(opened.fileno(), at, length, os.POSIX_FADV_DONTNEED)
        return os.pread(opened.fileno(), length, at)


def stale(home: Home, group: Group) -> Sequence[str]:
    """The marked blocks in extents that belong to nobody, by disk and extent: the next volume's reader
    would see them."""
    return [
        f"{device}:{extent}"
        for device, file in zip(home.disks.devices, home.disks.files, strict=True)
        for extent in _marked(file)
        if (str(device), extent) not in _owned(group)
    ]


def _marked(file: Path) -> Iterator[int]:
    """The extents of a disk in which the mark is found; -1 and less is before the first."""
    with file.open("rb", 0) as disk:
        for start, end in data(disk.fileno()):
            for at in range(start, end, MIB):
                found = os.pread(disk.fileno(), min(MIB, end - at), at)
                if MARK in found:
                    yield (at - START) // EXTENT


def _owned(group: Group) -> frozenset[tuple[str, int]]:
    return frozenset(spot for lv in group.lvs.values() for spot in _extents(lv))


def _extents(lv: Lv) -> Iterator[tuple[str, int]]:
    for each in lv.ranges:
        device, _, span = each.rpartition(":")
        if device.startswith("/dev/"):
            first, _, last = span.partition("-")
            for extent in range(int(first), int(last) + 1):
                yield device, extent
