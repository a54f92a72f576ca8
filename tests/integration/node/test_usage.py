"""Raw devices, statistics and growth, also while the storage answers nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from csi.node.health import Severity
from drivers.errors import InUse, NotFound, OutOfRange, Precondition
from drivers.model import MIB, Content, VolumeId, VolumeMode
from tests.integration.node.conftest import World, access_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


def test_a_raw_device_is_shown_written_and_taken_away(world: World) -> None:
    volume = world.volume(mode=VolumeMode.BLOCK)
    world.stage(volume)
    staged = world.stage(volume)
    assert world.driver.get_volume(volume.id).content is Content.FORMATTED
    world.publish(volume)
    target = world.publish(volume)
    with target.open("r+b", 0) as device:
        device.write(b"x" * 4096)
        with pytest.raises(InUse):
            world.unstage(volume)
    with world.device(volume).open("rb") as device:
        assert device.read(4096) == b"x" * 4096
    for _ in range(2):
        world.rules.publisher.unpublish(volume.id, target)
    for _ in range(2):
        world.unstage(volume)
    assert not target.exists()
    assert not list(staged.iterdir())
    assert not world.driver.is_active(volume.id)


def test_a_raw_device_for_one_pod_is_shown_once(world: World) -> None:
    volume = world.volume(mode=VolumeMode.BLOCK)
    with pytest.raises(Precondition, match="stage it first"):
        world.publish(volume)
    world.stage(volume)
    world.publish(volume, "first")
    world.publish(volume, "second", read_only=True)
    world.unpublish(volume, "second")
    with pytest.raises(Precondition, match="one pod alone"):
        world.publish(volume, "second", access_of(volume, "SINGLE_NODE_SINGLE_WRITER"))


def test_a_raw_device_for_readers_cannot_be_written(world: World) -> None:
    volume = world.volume(mode=VolumeMode.BLOCK)
    reader = access_of(volume, "SINGLE_NODE_READER_ONLY")
    world.stage(volume, reader)
    target = world.publish(volume, access=reader)
    with pytest.raises(PermissionError), target.open("r+b", 0) as device:
        device.write(b"x")
    with target.open("rb", 0) as device:
        assert device.read(4) == bytes(4)
    world.unpublish(volume)
    world.stage(volume)
    with world.publish(volume).open("r+b", 0) as device:
        device.write(b"x" * 512)


def test_half_an_image_is_not_shown(world: World) -> None:
    volume = world.volume(mode=VolumeMode.BLOCK)
    world.driver.set_content(volume.id, Content.FORMATTING)
    with pytest.raises(Precondition, match="part of an image"):
        world.stage(volume)
    assert not world.driver.is_active(volume.id)


def test_a_growth_of_a_raw_device_needs_nothing(world: World) -> None:
    volume = world.volume(mode=VolumeMode.BLOCK)
    world.stage(volume)
    target = world.publish(volume)
    world.driver.extend_volume(volume.id, 128 * MIB)
    assert world.rules.usage.expand(volume.id, target, 128 * MIB) == 128 * MIB
    assert world.rules.usage.stats(volume.id, target).bytes.total == 128 * MIB
    assert world.rules.usage.stats(volume.id, target).inodes is None


def test_a_filesystem_does_not_grow_beyond_its_device(world: World) -> None:
    volume = world.volume()
    target = world.stage(volume)
    with pytest.raises(OutOfRange, match="grow the volume first"):
        world.rules.usage.expand(volume.id, target, volume.size + 1)
    other = world.volume()
    for path in (world.target("pod"), target):
        with pytest.raises(NotFound):
            world.rules.usage.expand(other.id, path, other.size)
    assert not world.driver.is_active(other.id)


def test_statistics_are_those_of_the_filesystem(world: World) -> None:
    volume = world.volume()
    target = world.stage(volume)
    before = world.rules.usage.stats(volume.id, target)
    (target / "file").write_bytes(bytes(8 * MIB))
    os.sync()
    after = world.rules.usage.stats(volume.id, target)
    assert after.bytes.used - before.bytes.used >= 8 * MIB
    assert before.bytes.available - after.bytes.available >= 8 * MIB
    assert after.bytes.total >= after.bytes.used + after.bytes.available
    assert after.inodes is not None
    assert before.inodes is not None
    assert after.inodes.used == before.inodes.used + 1


def test_statistics_of_what_is_not_there_are_not_found(world: World) -> None:
    volume, other = world.volume(), world.volume()
    world.stage(volume)
    elsewhere = world.stage(other)
    for path in (elsewhere, world.target("pod"), world.root, Path("some/path"), Path("/tmp")):
        with pytest.raises(NotFound):
            world.rules.usage.stats(volume.id, path)
    for unknown in ("unknown", "nodetest.gone"):
        with pytest.raises(NotFound):
            world.rules.usage.stats(VolumeId(unknown), elsewhere)


def test_statistics_do_not_need_the_storage(world: World) -> None:
    volume = world.volume()
    target = world.stage(volume)
    world.driver.stuck = True
    assert world.rules.usage.stats(volume.id, target).bytes.total > 0
    world.restarted()
    assert world.rules.usage.stats(volume.id, target).bytes.total > 0
    world.driver.stuck = False


def test_what_a_dead_backend_shows_can_be_unmounted(world: World) -> None:
    volume = world.volume()
    world.stage(volume)
    target = world.publish(volume)
    world.restarted()
    world.driver.stuck = True
    world.rules.publisher.unpublish(volume.id, target)
    assert not target.exists()
    world.driver.stuck = False
    world.unstage(volume)


def test_a_filesystem_that_met_errors_is_reported(world: World) -> None:
    volume = world.volume()
    target = world.stage(volume)
    assert world.rules.health.volume(volume.id, target) == []
    assert world.rules.health.storage() == []
    world.run(["mount", "-o", "remount,ro", target])
    (trouble,) = world.rules.health.volume(volume.id, target)
    assert (trouble.severity, trouble.reason) == (Severity.DEGRADED, "FilesystemReadOnly")
