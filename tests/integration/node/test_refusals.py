"""What a node refuses to format, mount or show, and that a refusal changes nothing."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from csi.node.access import Access
from drivers.errors import Precondition, Unavailable
from drivers.exec import Host
from drivers.model import MIB, Connection, Content, Properties, Volume, VolumeId, VolumeMode
from tests.integration.node.conftest import World

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def digest(path: Path) -> str:
    with path.open("rb") as device:
        return hashlib.file_digest(device, "sha256").hexdigest()


def at(offset: int) -> Callable[[Host, Path], None]:
    def write(_run: Host, device: Path) -> None:
        with device.open("r+b") as file:
            file.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
            file.write(b"somebody's")

    return write


def by(*argv: str) -> Callable[[Host, Path], None]:
    def write(run: Host, device: Path) -> None:
        run([*argv, device])

    return write


FOREIGN = {
    "a filesystem": by("mkfs.ext4", "-q", "-F"),
    "swap space": by("mkswap", "-q"),
    "a boot sector": at(510),
    "bytes at the start": at(70_000),
    "bytes at the end": at(-5_000),
}


@pytest.mark.parametrize("write", FOREIGN.values(), ids=FOREIGN)
def test_a_volume_made_empty_that_holds_anything_is_not_formatted(
    world: World, write: Callable[[Host, Path], None]
) -> None:
    volume = world.volume()
    write(world.run, world.device(volume))
    before = digest(world.device(volume))
    with pytest.raises(Precondition, match="made empty"):
        world.stage(volume)
    assert not world.driver.is_active(volume.id)
    assert world.driver.get_volume(volume.id).content is Content.BLANK
    assert digest(world.device(volume)) == before


def test_a_partition_table_is_not_formatted(world: World) -> None:
    volume = world.volume()
    label = bytearray(512)
    label[446:462] = bytes.fromhex("00010100830f3f1f0008000000400000")
    label[510:] = b"\x55\xaa"
    with world.device(volume).open("r+b") as device:
        device.write(label)
    with pytest.raises(Precondition, match=r"partition table|data"):
        world.stage(volume)


@pytest.mark.parametrize("content", [Content.FORMATTED, Content.ADOPTED, Content.INHERITED])
def test_a_volume_with_data_is_never_formatted(world: World, content: Content) -> None:
    volume = world.volume()
    world.driver.set_content(volume.id, content)
    before = digest(world.device(volume))
    with pytest.raises(Precondition, match="holds nothing that is known"):
        world.stage(volume)
    assert digest(world.device(volume)) == before


def test_a_filesystem_is_not_taken_for_another(world: World) -> None:
    volume = world.volume("ext4")
    world.stage(volume)
    world.unstage(volume)
    with pytest.raises(Precondition, match="was made for ext4, not for xfs"):
        world.stage(volume, Access(VolumeMode.FILESYSTEM, "SINGLE_NODE_WRITER", "xfs"))
    other = replace(volume.properties, fs_type="xfs")
    world.driver.volumes[volume.id] = replace(world.driver.get_volume(volume.id), properties=other)
    with pytest.raises(Precondition, match=r"should hold xfs, but .* holds ext4"):
        world.stage(world.driver.get_volume(volume.id))


def test_an_adopted_filesystem_keeps_its_uuid_and_size(world: World) -> None:
    volume = world.volume("ext4")
    world.run(["mkfs.ext4", "-q", world.device(volume), "32M"])
    world.driver.set_content(volume.id, Content.ADOPTED)
    before = uuid(world, volume)
    staged = world.stage(volume)
    assert os.statvfs(staged).f_blocks * os.statvfs(staged).f_frsize < 32 * MIB
    world.unstage(volume)
    assert uuid(world, volume) == before


def uuid(world: World, volume: Volume) -> str:
    device = str(world.device(volume))
    return world.run(["blkid", "-p", "-o", "value", "-s", "UUID", device]).stdout.strip()


def test_an_interrupted_mkfs_is_begun_again(world: World) -> None:
    volume = world.volume("ext4")
    world.run(["mkfs.xfs", "-q", "-f", world.device(world.volume("xfs"))])
    at(1024)(world.run, world.device(volume))
    world.driver.set_content(volume.id, Content.FORMATTING)
    world.stage(volume)
    assert world.driver.get_volume(volume.id).content is Content.FORMATTED


def test_a_device_that_is_mounted_elsewhere_is_not_touched(world: World, tmp_path: Path) -> None:
    volume = world.volume("ext4")
    world.run(["mkfs.ext4", "-q", world.device(volume)])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    world.run(["mount", world.device(volume), elsewhere])
    for content in (Content.FORMATTING, Content.INHERITED, Content.FORMATTED):
        world.driver.set_content(volume.id, content)
        with pytest.raises(Precondition, match="in use"):
            world.stage(volume)
    assert world.mounts() == []


def test_damage_that_needs_a_person_is_not_mounted(world: World) -> None:
    volume = world.volume("ext4")
    world.stage(volume)
    world.unstage(volume)
    world.run(["debugfs", "-w", "-R", "clri <2>", world.device(volume)])
    world.run(["debugfs", "-w", "-R", "set_super_value state 2", world.device(volume)])
    with pytest.raises(Precondition, match="repair it by hand"):
        world.stage(volume)
    assert world.mounts() == []


def test_a_device_that_is_not_the_volumes_is_not_used(world: World) -> None:
    volume, other = world.volume(), world.volume()
    world.device(other)
    honest = world.driver.initialize_connection

    def lying(volume_id: VolumeId) -> Connection:
        return replace(honest(volume_id), path=honest(other.id).path)

    world.driver.initialize_connection = lying  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="is another device"):
        world.stage(volume)


def test_a_device_of_another_size_is_not_used(world: World) -> None:
    volume = world.volume()
    world.driver.volumes[volume.id] = replace(volume, size=volume.size + MIB)
    with pytest.raises(Unavailable, match="bytes, expected are"):
        world.stage(volume)


def test_a_copy_for_another_mode_is_refused(world: World) -> None:
    volume = world.volume()
    world.stage(volume)
    copy = world.driver.clone(volume.id)
    world.driver.volumes[copy.id] = replace(copy, properties=Properties(mode=VolumeMode.BLOCK))
    before = uuid(world, copy)
    world.stage(world.driver.get_volume(copy.id))
    assert world.driver.get_volume(copy.id).content is Content.INHERITED
    assert uuid(world, copy) == before == uuid(world, volume)
