"""A disk that fails while it is there: pods go on, the metadata says nothing, and the metrics do."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.model import MIB
from tests.integration import files
from tests.integration.served import Served, lvm

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

GROUP = "hearth-mirror"
SIZE = 192 * MIB // 512
READABLE = 8 * MIB // 512
"""The sectors of LVM's metadata, which stay readable."""


@dataclass
class Disk:
    """A disk that can fail: a device-mapper device on a loop device."""

    name: str
    loop: str

    def begin(self) -> None:
        """Appear, and be well."""
        _run("dmsetup", "create", self.name, "--table", f"0 {SIZE} linear {self.loop} 0")

    def become(self, *table: str) -> None:
        """Be another one from the next read or write on."""
        _run("dmsetup", "suspend", "--noflush", "--nolockfs", self.name)
        _run("dmsetup", "reload", self.name, "--table", "\n".join(table))
        _run("dmsetup", "resume", self.name)

    def fail(self) -> None:
        """Answer for its metadata, and with errors for everything else."""
        rest = f"{READABLE} {SIZE - READABLE} error"
        self.become(f"0 {READABLE} linear {self.loop} 0", rest)

    def recover(self) -> None:
        """Be as it was."""
        self.become(f"0 {SIZE} linear {self.loop} 0")

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/dev/mapper/{self.name}"


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def disks(tmp_path: Path) -> Iterator[list[Disk]]:
    found: list[Disk] = []
    for number in range(2):
        file = tmp_path / f"disk{number}"
        file.touch()
        os.truncate(file, SIZE * 512)
        found.append(Disk(f"hearth-frail{number}", _run("losetup", "--find", "--show", str(file))))
        found[-1].begin()
    paths = [disk.path for disk in found]
    lvm("vgcreate", "--yes", "--metadatasize", "4m", GROUP, *paths)
    try:
        yield found
    finally:
        lvm("vgremove", "--yes", "-ff", GROUP)
        lvm("pvremove", "--yes", "-ff", *paths)
        for disk in found:
            _run("dmsetup", "remove", disk.name)
            _run("losetup", "--detach", disk.loop)


def test_a_copy_that_the_kernel_gave_up_is_told(disks: list[Disk], tmp_path: Path) -> None:
    served = Served(tmp_path, GROUP, http="127.0.0.1:9811")
    served.start()
    volume = served.create("data", 64 * MIB, layout="raid1")
    path = served.publish(volume.volume_id)
    files.write(path, "first")
    _until(served, degraded=0)
    disks[1].fail()
    files.write(path, "second")
    _until(served, degraded=1)
    assert served.metric("hearth_backend_healthy") == 1
    assert served.metric("hearth_backend_missing_disks") == 0
    assert files.wrong(path, ["first", "second"], 64 << 10) == []
    disks[1].recover()
    (name,) = lvm("lvs", "--noheadings", "--options", "lv_name", GROUP).split()
    lvm("lvchange", "--refresh", f"{GROUP}/{name}")
    _until(served, degraded=0)
    served.empty()
    assert served.stop() == 0


def _until(served: Served, degraded: int) -> None:
    """The kernel is asked now and then."""
    end = time.monotonic() + 90
    while served.metric("hearth_backend_degraded") != degraded:
        assert time.monotonic() < end, served.log.read_text()[-4000:]
        time.sleep(0.5)
