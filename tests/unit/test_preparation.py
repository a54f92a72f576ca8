"""What a filesystem is made on: on what is not all zeros, nothing of an old one may show through.

The programs are real and the device is a plain file, to which mkfs and e2fsck do the same.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from csi.node.devices import Device
from csi.node.filesystems import Filesystem, filesystems
from csi.node.mounts import Mounts
from csi.node.preparation import Preparation
from drivers.exec import Host
from drivers.model import MIB, Content, FsType, SizeRange, Volume, VolumeSpec
from tests.fakes.memory import MemoryDriver, MemoryOptions

SIZE = 64 * MIB
FILES = 6000
"""Of the old filesystem: inodes in several groups."""
INODE = 256
RUN = Host()


@pytest.fixture
def driver() -> MemoryDriver:
    made = MemoryDriver("memory", MemoryOptions(), RUN)
    made.do_setup()
    return made


@pytest.fixture
def volume(driver: MemoryDriver) -> Volume:
    return driver.create_volume(VolumeSpec("v", SizeRange(SIZE)))


@pytest.fixture
def ext4(tmp_path: Path) -> Filesystem:
    return filesystems(RUN, Mounts(tmp_path, RUN))[FsType.EXT4]


@contextmanager
def opened(driver: MemoryDriver, volume: Volume) -> Iterator[Device]:
    path = driver.initialize_connection(volume.id).path
    descriptor = os.open(path, os.O_RDWR)
    try:
        yield Device(path, descriptor, (0, 0), volume.size)
    finally:
        os.close(descriptor)
        driver.terminate_connection(volume.id)


def tool(device: Device, *argv: str, ok: tuple[int, ...] = (0,)) -> str:
    return RUN([*argv, device.link], ok=ok, pass_fds=(device.descriptor,)).stdout


def leave_an_old_ext4(device: Device, directory: Path) -> None:
    """As the extents of a thick volume: full of somebody's ext4, but for the ends, which are zeroed."""
    directory.mkdir()
    for number in range(FILES):
        (directory / f"{number}").touch()
    tool(device, "mkfs.ext4", "-q", "-F", "-d", str(directory))
    for at in (0, SIZE - MIB):
        os.pwrite(device.descriptor, bytes(MIB), at)


def inodes(device: Device) -> int:
    """How many inodes are in the inode tables, whatever the groups say of them."""
    shown = tool(device, "dumpe2fs")
    found = re.search(r"^Block size: +([0-9]+)", shown, re.MULTILINE)
    assert found is not None
    block, count = int(found[1]), 0
    for first, last in re.findall(r"Inode table at ([0-9]+)-([0-9]+)", shown):
        table = device.read(int(first) * block, (int(last) + 1 - int(first)) * block)
        count += sum(any(table[at : at + INODE]) for at in range(0, len(table), INODE))
    return count


@pytest.mark.parametrize("content", [Content.BLANK, Content.FORMATTING])
def test_nothing_of_an_old_ext4_shows_through_a_new_one(
    driver: MemoryDriver, volume: Volume, ext4: Filesystem, tmp_path: Path, content: Content
) -> None:
    with opened(driver, volume) as device:
        leave_an_old_ext4(device, tmp_path / "old")
        left = replace(volume, content=content, zeroed=content is Content.FORMATTING)
        Preparation(RUN).prepare(driver, left, device, ext4)
        assert inodes(device) <= 11
        tool(device, "e2fsck", "-f", "-n")
        # Without a group's checksum e2fsck looks at every inode in its table.
        damage = ["debugfs", "-w", "-R", "set_bg 2 checksum 0xdead"]
        tool(device, *damage)
        ext4.check(device)
    assert driver.get_volume(volume.id).content is Content.FORMATTED


def test_what_is_known_to_be_zeros_is_not_written(
    driver: MemoryDriver, volume: Volume, ext4: Filesystem
) -> None:
    with opened(driver, volume) as device:
        Preparation(RUN).prepare(driver, volume, device, ext4)
        assert os.fstat(device.descriptor).st_blocks * 512 < MIB
        assert inodes(device) <= 11
        tool(device, "e2fsck", "-f", "-n")
