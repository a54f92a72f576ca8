"""What the tests of the LVM driver need around it: disks of any size, a group on them, bytes."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from drivers import options as checked
from drivers.exec import Host, Run
from drivers.lvm import names
from drivers.lvm.driver import LvmDriver
from drivers.lvm.options import Options
from drivers.model import MIB, SizeRange, Volume, VolumeId, VolumeSpec

VG = "hearthtest"
MARK = b"a block of the tenant before: " + bytes(range(1, 99))
BLOCK = MARK.ljust(4096, b".")


def sh(*argv: str) -> str:
    """Run a program of the test's own; what it printed."""
    done = subprocess.run(
        argv, check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return done.stdout


def lvm(*commands: str) -> None:
    """Run many LVM commands in one process, which saves the start of each."""
    done = subprocess.run(
        ["lvm"], input="\n".join(commands), check=False, capture_output=True, text=True
    )
    assert "ailed" not in done.stderr, done.stderr


@contextmanager
def disks(sizes: Sequence[int]) -> Iterator[list[str]]:
    """Devices of exactly these sizes in bytes, cut out of the lab's first disk, all zeros."""
    lab = os.environ["HEARTH_LAB_DISKS"].split()[0]
    made, start = [], 2048
    try:
        for number, size in enumerate(sizes):
            name, sectors = f"hearthpv{number}", size // 512
            sh("dmsetup", "create", name, "--table", f"0 {sectors} linear {lab} {start}")
            made.append(name)
            start += sectors
            sh("blkdiscard", "-z", "-f", f"/dev/mapper/{name}")
        yield [f"/dev/mapper/{name}" for name in made]
    finally:
        for name in made:
            sh("dmsetup", "remove", "--retry", name)


@contextmanager
def group(devices: Sequence[str], pool: str = "") -> Iterator[str]:
    """A volume group on ``devices``, with a thin pool of size ``pool`` if that is not empty."""
    sh("lvm", "vgcreate", "--yes", "--metadatasize", "4m", "--dataalignment", "1m", VG, *devices)
    try:
        if pool:
            sh("lvm", "lvcreate", "--yes", "-T", "-L", pool, "--poolmetadatasize", "8m",
               "--errorwhenfull", "y", "-Zy", f"{VG}/pool")  # fmt: skip
        yield VG
    finally:
        sh("lvm", "vgremove", "--yes", "-ff", VG)
        sh("lvm", "pvremove", "--yes", "-ff", *devices)


@dataclass
class Backend:
    """A driver on the group, and what a test does with its volumes."""

    driver: LvmDriver
    made: list[str] = field(default_factory=list)

    def create(self, name: str, size: int, **options: str) -> Volume:
        return self.driver.create_volume(VolumeSpec(name, SizeRange(size), options=options))

    def write(self, volume_id: VolumeId, data: bytes, at: int = 0) -> None:
        connection = self.driver.initialize_connection(volume_id)
        with connection.path.open("r+b", 0) as device:
            device.seek(at)
            device.write(data)
            os.fsync(device.fileno())
        self.driver.terminate_connection(volume_id)

    def read(self, volume_id: VolumeId) -> bytes:
        connection = self.driver.initialize_connection(volume_id)
        with connection.path.open("rb") as device:
            data = device.read()
        self.driver.terminate_connection(volume_id)
        return data

    def drained(self) -> None:
        """Return when nothing waits to be wiped."""
        until = time.monotonic() + 240
        # LVM itself is asked: where it is slow, the driver's numbers may be those of a moment ago.
        while any(names.DELETING in tags for tags in lvs().values()):
            assert time.monotonic() < until, "the wipe queue does not drain"
            time.sleep(0.1)


@contextmanager
def backend(run: Run | None = None, **options: object) -> Iterator[Backend]:
    """A driver set up on the group, closed at the end."""
    given = {"volumeGroup": VG, "backupDirectory": None, **options}
    wanted = checked.check(given, Options)
    driver = LvmDriver("test", wanted, run or Host())
    try:
        driver.do_setup()
        driver.check_for_setup_error()
        yield Backend(driver)
    finally:
        driver.close()


def old_blocks() -> int:
    """How many old blocks whoever gets all free extents next would read."""
    sh("lvm", "lvcreate", "--yes", "-Wn", "-Zn", "-l", "100%FREE", "-n", "all", VG)
    try:
        return count_old(Path(f"/dev/{VG}/all"))
    finally:
        sh("lvm", "lvremove", "--yes", f"{VG}/all")


def count_old(path: Path) -> int:
    found = 0
    with path.open("rb", 0) as device:
        while chunk := device.read(4 * MIB):
            found += chunk.count(MARK)
    return found


def lvs() -> dict[str, str]:
    """The visible logical volumes of the group and their tags."""
    rows = sh("lvm", "lvs", "--noheadings", "--separator", "|", "-o", "lv_name,lv_tags", VG)
    pairs = (row.strip().partition("|") for row in rows.splitlines())
    return {name: tags for name, _, tags in pairs if name != "pool"}
