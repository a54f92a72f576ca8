"""Volumes that belong together, somebody who writes to them, and the numbers that a cut of them shows."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from csi.node.devices import Device
from csi.node.filesystems.btrfs import superblock
from drivers.compliance.writers import broken
from drivers.errors import Busy
from drivers.groups import GroupSnapshot, GroupSnapshotSpec
from drivers.lvm import devicemapper
from drivers.model import MIB, Connection, Snapshot, SnapshotSpec, Volume
from tests.integration.lvm.bench import VG, Backend, sh

SIZES = {"raw": 16 * MIB, "ext4": 64 * MIB, "xfs": 320 * MIB, "btrfs": 256 * MIB}
WRITER = Path(__file__).with_name("writer.py")
RAW = "raw"
TRIES = 5


@dataclass(frozen=True, slots=True)
class Member:
    """A volume, what is on it, and where it is written to."""

    volume: Volume
    kind: str
    connection: Connection
    place: Path


@contextmanager
def group(backend: Backend, folder: Path, kinds: Sequence[str]) -> Iterator[list[Member]]:
    """Connected volumes, each with the filesystem that is said, mounted."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(_member(backend, folder, number, kind))
            for number, kind in enumerate(kinds)
        ]


@contextmanager
def _member(backend: Backend, folder: Path, number: int, kind: str) -> Iterator[Member]:
    volume = backend.create(f"member {number}", SIZES[kind])
    connection = backend.driver.initialize_connection(volume.id)
    if kind == RAW:
        yield Member(volume, kind, connection, connection.path)
        return
    quiet = {"ext4": ["-q", "-F"], "xfs": ["-q", "-f"], "btrfs": ["-q", "-f"]}[kind]
    sh(f"mkfs.{kind}", *quiet, str(connection.path))
    place = folder / f"member{number}"
    place.mkdir()
    sh("mount", "-t", kind, str(connection.path), str(place))
    try:
        yield Member(volume, kind, connection, place)
    finally:
        sh("umount", str(place))


@contextmanager
def written(members: Sequence[Member], cuts: int) -> Iterator[None]:
    """For the block, somebody writes to the members in their order; it is said how long it had to wait.

    There must be more rounds than cuts: who stands still breaks none.
    """
    kind = RAW if members[0].kind == RAW else "files"
    places = [str(each.place) for each in members]
    with subprocess.Popen(
        [sys.executable, "-I", "-S", str(WRITER), kind, *places],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        yield
        rounds, longest = writer.communicate()[0].split()
    assert int(rounds) > cuts
    print(f"{rounds} rounds, the longest write took {float(longest) * 1e3:.1f} ms")


def cut(backend: Backend, members: Sequence[Member], name: str) -> GroupSnapshot:
    """All at one moment; asked again if it was broken off, which a machine that does much else may cause."""
    ids = tuple(each.volume.id for each in members)
    for _ in range(TRIES):
        try:
            return backend.driver.create_group_snapshot(GroupSnapshotSpec(name, ids))
        except Busy as error:
            print(error, flush=True)
    raise AssertionError(f"{TRIES} cuts in a row were broken off")


def one_by_one(backend: Backend, members: Sequence[Member], name: str) -> list[Snapshot]:
    """One after the other, as Cinder's generic way does it."""
    return [
        backend.driver.create_snapshot(SnapshotSpec(f"{name} {number}", each.volume.id))
        for number, each in enumerate(members)
    ]


def numbers(
    backend: Backend, members: Sequence[Member], snapshots: Sequence[Snapshot], folder: Path
) -> list[int]:
    """What the snapshots show, in the order of the members; every filesystem is checked."""
    with active(backend, snapshots) as paths:
        return [_number(paths[each.volume.id], each.kind, folder) for each in members]


@contextmanager
def active(backend: Backend, snapshots: Sequence[Snapshot]) -> Iterator[dict[str, Path]]:
    """The devices of snapshots, by the ids of their volumes, for the block."""
    now = backend.driver._group.read()
    ids = {each.id.partition(".")[2]: each.volume_id for each in snapshots}
    lvs = [lv for lv in now.lvs.values() if lv.object_id in ids]
    names = [f"{VG}/{lv.name}" for lv in lvs]
    sh("lvm", "lvchange", "-ay", "-K", *names)
    found = {ids[lv.object_id]: devicemapper.device(now.dm_uuid(lv)) for lv in lvs}
    try:
        yield {volume: device.path for volume, device in found.items() if device is not None}
    finally:
        sh("lvm", "lvchange", "-an", *names)


def _number(path: Path, kind: str, folder: Path) -> int:
    if kind == RAW:
        return int.from_bytes(path.read_bytes()[:8], "big")
    place = folder / "look"
    place.mkdir(exist_ok=True)
    if kind == "btrfs":
        _renamed(path)
    sh("mount", "-t", kind, *(["-o", "nouuid"] if kind == "xfs" else []), str(path), str(place))
    try:
        found = int.from_bytes((place / "number").read_bytes()[:8], "big")
    finally:
        sh("umount", str(place))
    _check(path, kind)
    return found


def _renamed(path: Path) -> None:
    """A copy of a btrfs cannot be mounted beside it under the same UUID, and must have no log for another."""
    with path.open("rb") as file:
        device = Device(path, file.fileno(), (0, 0), 0)
        assert superblock(device).log_root == 0
    sh("btrfstune", "-m", str(path))


def _check(path: Path, kind: str) -> None:
    """After its log was replayed, a filesystem of a cut is as it should be."""
    commands = {
        "ext4": ["e2fsck", "-fn", str(path)],
        "xfs": ["xfs_repair", "-n", str(path)],
        "btrfs": ["btrfs", "check", "--readonly", str(path)],
    }
    sh(*commands[kind])


@dataclass(slots=True)
class Tally:
    """What came of some cuts; ``pauses`` in seconds."""

    cuts: int = 0
    broken: list[list[int]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    idle: list[list[int]] = field(default_factory=list)
    """Those before which nobody had written to every member since the one before: they prove nothing."""
    last: list[int] = field(default_factory=list)

    def add(self, found: list[int]) -> None:
        self.cuts += 1
        if broken(found):
            self.broken.append(found)
        before = self.last or [0] * len(found)
        if any(now <= then for now, then in zip(found, before, strict=True)):
            self.idle.append(found)
        self.last = found

    def __str__(self) -> str:
        told = f"{self.cuts} cuts, {len(self.broken)} of them broken"
        if not self.pauses:
            return told
        median, longest = statistics.median(self.pauses), max(self.pauses)
        return f"{told}; writers were held for {median * 1e3:.1f} ms, at most {longest * 1e3:.1f}"
