"""What real filesystems say of themselves, read as bytes: sound, cut off, and in want of a repair."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers import signatures
from drivers.errors import Unavailable
from drivers.exec import Host
from drivers.manageable import Hindrance
from drivers.model import MIB, VolumeMode
from drivers.signatures import Look

pytestmark = pytest.mark.lab

SIZE = 320 * MIB
REPAIR = {
    # s_state of ext4, where 2 says that the kernel found errors.
    "ext4": (1024 + 58, b"\x02\x00", "e2fsck"),
    # sb_features_incompat of xfs, where 0x10 is XFS_SB_FEAT_INCOMPAT_NEEDSREPAIR.
    "xfs": (216, b"\x00\x00\x00\x1b", "xfs_repair"),
    # num_devices of btrfs.
    "btrfs": (65536 + 0x88, b"\x02", "2 devices"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.touch()
    os.truncate(path, SIZE)
    return path


def mkfs(fs_type: str, file: Path) -> None:
    subprocess.run([f"mkfs.{fs_type}", "-q", file], check=True, stdout=subprocess.DEVNULL)


def look(file: Path, size: int | None = None) -> Look:
    with opened(file) as descriptor:
        return signatures.look(descriptor, size or file.stat().st_size, Host())


@contextmanager
def opened(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("fs_type", REPAIR)
def test_a_fresh_filesystem_is_known_and_sound(file: Path, fs_type: str) -> None:
    mkfs(fs_type, file)
    found, obstacle = look(file)
    assert (found.type, found.mode, obstacle) == (fs_type, VolumeMode.FILESYSTEM, None)


@pytest.mark.parametrize("fs_type", REPAIR)
def test_one_that_was_cut_off_says_so(file: Path, fs_type: str) -> None:
    mkfs(fs_type, file)
    os.truncate(file, SIZE // 2)
    _found, obstacle = look(file)
    assert obstacle is not None
    assert obstacle.hindrance is Hindrance.DAMAGED_FILESYSTEM
    assert f"has {SIZE} bytes, of which only {SIZE // 2}" in obstacle.words


@pytest.mark.parametrize(("fs_type", "spoilt"), REPAIR.items(), ids=REPAIR)
def test_a_superblock_that_asks_for_help(
    file: Path, fs_type: str, spoilt: tuple[int, bytes, str]
) -> None:
    at, value, words = spoilt
    mkfs(fs_type, file)
    # blkid believes no superblock whose checksum is wrong, and here it is: asked past it.
    with file.open("r+b") as image:
        image.seek(at)
        image.write(value)
    with opened(file) as descriptor:
        complaint = signatures.complaint(fs_type, descriptor, SIZE)
    assert words in complaint


def test_nothing_several_things_and_something_else(file: Path) -> None:
    found, obstacle = look(file)
    assert (found.type, found.mode) == ("", VolumeMode.BLOCK)
    assert obstacle is not None
    assert "holds nothing known" in obstacle.words
    subprocess.run(["mkswap", "-q", file], check=True, stderr=subprocess.DEVNULL)
    found, obstacle = look(file)
    assert (found.type, found.mode) == ("swap", VolumeMode.BLOCK)
    assert obstacle is not None
    assert obstacle.hindrance is Hindrance.UNKNOWN_FILESYSTEM


def test_a_device_that_ends_too_early_cannot_be_told(file: Path) -> None:
    with pytest.raises(Unavailable, match="before"):
        look(file, SIZE + MIB)
