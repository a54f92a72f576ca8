"""What a filesystem is made on: on what is not all zeros, nothing of an old one may show through.

The programs are real and the device is a plain file, to which mkfs and e2fsck do the same.
"""

from __future__ import annotations

import os
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
from tests.fakes import old_ext4
from tests.fakes.memory import MemoryDriver, MemoryOptions

SIZE = 64 * MIB
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


@pytest.mark.parametrize("content", [Content.BLANK, Content.FORMATTING])
def test_nothing_of_an_old_ext4_shows_through_a_new_one(
    driver: MemoryDriver, volume: Volume, ext4: Filesystem, tmp_path: Path, content: Content
) -> None:
    with opened(driver, volume) as device:
        old_ext4.leave(RUN, device, tmp_path / "old")
        left = replace(volume, content=content, zeroed=content is Content.FORMATTING)
        Preparation(RUN).prepare(driver, left, device, ext4)
        assert old_ext4.inodes(RUN, device) <= old_ext4.FRESH
        old_ext4.tool(RUN, device, "e2fsck", "-f", "-n")
        old_ext4.damage(RUN, device)
        ext4.check(device)
    assert driver.get_volume(volume.id).content is Content.FORMATTED


def test_what_is_known_to_be_zeros_is_not_written(
    driver: MemoryDriver, volume: Volume, ext4: Filesystem
) -> None:
    with opened(driver, volume) as device:
        Preparation(RUN).prepare(driver, volume, device, ext4)
        assert os.fstat(device.descriptor).st_blocks * 512 < MIB
        assert old_ext4.inodes(RUN, device) <= old_ext4.FRESH
        old_ext4.tool(RUN, device, "e2fsck", "-f", "-n")
