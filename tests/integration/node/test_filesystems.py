"""Each filesystem on real thin volumes: made, mounted, copied beside its source, grown."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csi.node import devices
from csi.node.detached import Filesystem
from csi.node.devices import Device
from csi.node.filesystems import filesystems
from csi.node.mounts import Mounts
from drivers.errors import CommandFailed, Precondition
from drivers.exec import Run
from drivers.model import MIB, Connection, Content, FsType
from tests.integration.node.conftest import SMALLEST, World, access_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

HAS_JOURNAL = 4
FILESYSTEMS = [each.value for each in FsType]


@contextmanager
def written_and_synced(directory: Path) -> Iterator[None]:
    """Somebody writes small files and waits for each to be on disk, as a database does."""
    end = threading.Event()

    def write() -> None:
        number = 0
        while not end.is_set():
            number += 1
            with (directory / f"{number % 50}").open("wb") as file:
                file.write(os.urandom(4096))
                file.flush()
                os.fsync(file.fileno())

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        end.set()
        writer.join()


@contextmanager
def loop_device(run: Run, file: Path, size: int) -> Iterator[Device]:
    file.touch()
    os.truncate(file, size)
    path = Path(run(["losetup", "--find", "--show", file]).stdout.strip())
    try:
        with devices.opened(Connection(path, size, backing_file=file)) as device:
            yield device
    finally:
        run(["losetup", "--detach", path])


def room(path: Path) -> int:
    found = os.statvfs(path)
    return found.f_blocks * found.f_frsize


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
def test_a_volume_is_formatted_once_and_keeps_its_files(world: World, fs_type: str) -> None:
    volume = world.volume(fs_type)
    for _ in range(2):
        world.stage(volume)
    assert world.driver.get_volume(volume.id).content is Content.FORMATTED
    target = world.publish(volume)
    assert world.publish(volume) == target
    (target / "file").write_bytes(b"kept")
    for _ in range(2):
        world.rules.publisher.unpublish(volume.id, target)
    assert not target.exists()
    for _ in range(2):
        world.unstage(volume)
    assert not world.driver.is_active(volume.id)
    assert world.mounts() == []
    assert (world.stage(volume) / "file").read_bytes() == b"kept"


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
def test_a_copy_of_a_written_filesystem_mounts_beside_it(world: World, fs_type: str) -> None:
    volume = world.volume(fs_type)
    staged = world.stage(volume)
    (staged / "before").write_bytes(b"as it was")
    os.sync()
    with written_and_synced(staged):
        copy = world.driver.clone(volume.id, SMALLEST[fs_type] + 256 * MIB)
        assert copy.content is Content.INHERITED
        copied = world.stage(copy)
    assert world.driver.get_volume(copy.id).content is Content.FORMATTED
    assert (copied / "before").read_bytes() == b"as it was"
    assert room(copied) >= room(staged) + 200 * MIB
    (copied / "mine").write_bytes(b"independent")
    assert not (staged / "mine").exists()
    world.unstage(copy)
    assert (world.stage(copy) / "mine").read_bytes() == b"independent"


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
def test_many_copies_are_mounted_at_once(world: World, fs_type: str) -> None:
    volume = world.volume(fs_type)
    (world.stage(volume) / "file").write_bytes(b"of all")
    first = world.driver.clone(volume.id)
    world.stage(first)
    second, third = world.driver.clone(volume.id), world.driver.clone(first.id)
    for copy in (second, third):
        assert (world.stage(copy) / "file").read_bytes() == b"of all"
    sources = {each.source for each in world.mounts()}
    assert sources == {str(world.device(each)) for each in (volume, first, second, third)}


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
def test_a_filesystem_grows_while_it_is_used(world: World, fs_type: str) -> None:
    volume = world.volume(fs_type)
    staged = world.stage(volume)
    target = world.publish(volume, read_only=True)
    before, size = room(staged), SMALLEST[fs_type] + 256 * MIB
    with written_and_synced(staged):
        world.driver.extend_volume(volume.id, size)
        for _ in range(2):
            assert world.rules.usage.expand(volume.id, target, size) == size
    assert room(target) >= before + 200 * MIB


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
def test_a_filesystem_that_was_not_grown_after_its_device_is_grown_when_staged(
    world: World, fs_type: str
) -> None:
    volume = world.volume(fs_type)
    before = room(world.stage(volume))
    world.driver.extend_volume(volume.id, SMALLEST[fs_type] + 256 * MIB)
    assert room(world.stage(volume)) >= before + 200 * MIB


@pytest.mark.parametrize("fs_type", list(FsType))
def test_the_smallest_device_of_a_filesystem_works_and_a_smaller_one_does_not(
    world: World, tmp_path: Path, fs_type: FsType
) -> None:
    mounts = Mounts(world.root, world.run)
    made = filesystems(world.run, mounts)[fs_type]
    with loop_device(world.run, tmp_path / "enough", fs_type.minimum_size) as device:
        made.make(device, [], zeros=True)
        made.check(device)
        mounts.replay(Filesystem(fs_type.value, device))
    with loop_device(world.run, tmp_path / "less", fs_type.minimum_size - MIB) as device:
        if fs_type is FsType.EXT4:  # it is made, but without a journal
            made.make(device, [], zeros=True)
            assert not device.read(1024, 1024)[0x5C] & HAS_JOURNAL
        else:
            with pytest.raises(CommandFailed):
                made.make(device, [], zeros=True)


def test_a_btrfs_that_is_too_small_to_grow_says_so(world: World) -> None:
    volume = world.volume("btrfs")
    target = world.stage(volume)
    size = SMALLEST["btrfs"] + 4 * MIB
    world.driver.extend_volume(volume.id, size)
    with pytest.raises(Precondition, match="268435456"):
        world.rules.usage.expand(volume.id, target, size)


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
def test_options_of_mkfs_are_heeded(world: World, fs_type: str) -> None:
    options = {
        "ext4": "-b 4096 -E stride=16 -O ^has_journal",
        "xfs": "-m crc=1,reflink=0 -i size=1024",
        "btrfs": "-n 16k -d single -m single",
    }
    volume = world.volume(fs_type, mkfs_options=options[fs_type])
    assert room(world.stage(volume)) > 0


@pytest.mark.parametrize("fs_type", FILESYSTEMS)
def test_mount_flags_reach_the_filesystem_and_the_mount(world: World, fs_type: str) -> None:
    own = {"ext4": ["commit=30", "discard"], "xfs": ["allocsize=64k"], "btrfs": ["compress=zstd"]}
    volume = world.volume(fs_type)
    flags = ["noatime", "noexec", "nosuid", "lazytime", *own[fs_type]]
    for _ in range(2):
        world.stage(volume, access_of(volume, "SINGLE_NODE_WRITER", *flags))
    (mount,) = world.mounts()
    assert mount.source == str(world.device(volume))
    assert {"rw", "noatime", "noexec", "nosuid", "nodev"} <= mount.options
    shown = {option.partition(":")[0] for option in mount.super_options}
    assert {"rw", *own[fs_type]} <= shown
