"""What a node refuses to format, mount or show, and that a refusal changes nothing."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from csi.node.access import Access
from drivers.errors import Exists, InUse, Invalid, NotFound, Precondition, Unavailable
from drivers.exec import Host
from drivers.model import MIB, Connection, Content, Properties, Volume, VolumeId, VolumeMode
from tests.integration.node.conftest import World, access_of

pytestmark = pytest.mark.lab


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


def test_a_volume_is_staged_at_one_place(world: World) -> None:
    volume = world.volume()
    world.stage(volume)
    other = world.root / "other"
    other.mkdir()
    with pytest.raises(InUse, match="unstage it there"):
        world.rules.staging.stage(volume.id, other, access_of(volume))
    assert len(world.mounts()) == 1


def test_staging_with_other_flags_is_another_request(world: World) -> None:
    volume = world.volume()
    for flags in ((), ("discard",), ("noatime", "commit=7")):
        world.stage(volume, access_of(volume, "SINGLE_NODE_WRITER", *flags))
        world.stage(volume, access_of(volume, "SINGLE_NODE_WRITER", *flags))
        with pytest.raises(Exists):
            world.stage(volume, access_of(volume, "SINGLE_NODE_WRITER", "noexec"))
        with pytest.raises(Exists):
            world.stage(volume, access_of(volume, "SINGLE_NODE_WRITER", *flags, "commit=8"))
        world.unstage(volume)


def test_two_volumes_do_not_share_a_staging_path(world: World) -> None:
    first, second = world.volume(), world.volume()
    staged = world.stage(first)
    with pytest.raises(Exists):
        world.rules.staging.stage(second.id, staged, access_of(second))
    with pytest.raises(Precondition):
        world.rules.staging.unstage(second.id, staged)
    assert len(world.mounts()) == 1


def test_a_use_that_the_volume_was_not_made_for_is_refused(world: World) -> None:
    volume = world.volume()
    with pytest.raises(Precondition, match="made as a filesystem volume"):
        world.stage(volume, Access(VolumeMode.BLOCK, "SINGLE_NODE_WRITER"))
    with pytest.raises(Precondition, match="MULTI_NODE_MULTI_WRITER is not possible"):
        world.stage(volume, access_of(volume, "MULTI_NODE_MULTI_WRITER"))
    with pytest.raises(Invalid, match=r"mount_flags\[1\] is not allowed for ext4; allowed"):
        world.stage(volume, access_of(volume, "SINGLE_NODE_WRITER", "noatime", "dev"))
    with pytest.raises(NotFound):
        world.rules.staging.stage(VolumeId("nodetest.gone"), world.root / "x", access_of(volume))
    assert not world.driver.is_active(volume.id)


def test_bad_options_of_mkfs_leave_the_volume_empty(world: World) -> None:
    volume = world.volume(mkfs_options="-J device=/dev/sda")
    with pytest.raises(Invalid, match="no allowed value of -J"):
        world.stage(volume)
    assert world.driver.get_volume(volume.id).content is Content.BLANK


def test_unpublished_and_unstaged_are_success_for_what_is_not_there(world: World) -> None:
    gone = VolumeId("nodetest.gone")
    world.rules.publisher.unpublish(gone, world.root / "nowhere" / "target")
    world.rules.staging.unstage(gone, world.root / "nowhere" / "staging")
    world.rules.staging.unstage(VolumeId("malformed"), world.root / "nowhere")


def test_publishing_needs_a_staged_volume_and_a_parent(world: World) -> None:
    volume = world.volume()
    with pytest.raises(Precondition, match="stage it first"):
        world.publish(volume)
    assert not world.driver.is_active(volume.id)
    staged = world.stage(volume)
    with pytest.raises(Precondition, match="caller must make it"):
        world.rules.publisher.publish(
            volume.id, staged, world.root / "no" / "parent", access_of(volume), read_only=False
        )
    other = world.volume()
    world.stage(other)
    with pytest.raises(Precondition, match="something else"):
        world.rules.publisher.publish(
            other.id, staged, world.target("pod"), access_of(other), read_only=False
        )
    assert not world.target("pod").exists()


def test_targets_outside_of_the_kubelets_directory_are_refused(
    world: World, tmp_path: Path
) -> None:
    volume = world.volume()
    staged = world.stage(volume)
    (tmp_path / "outside").mkdir()
    (world.root / "link").symlink_to(tmp_path / "outside")
    inside = world.target("pod")
    inside.symlink_to(tmp_path / "outside")
    for target in (
        tmp_path / "outside" / "target",
        world.root / "link" / "target",
        world.root / "pods" / ".." / ".." / "outside" / "target",
        inside,
        world.root,
        Path("relative/target"),
    ):
        with pytest.raises(Invalid):
            world.rules.publisher.publish(
                volume.id, staged, target, access_of(volume), read_only=False
            )
        with pytest.raises(Invalid):
            world.rules.publisher.unpublish(volume.id, target)
    assert not list((tmp_path / "outside").iterdir())
    assert len(world.mounts()) == 1


def test_one_writer_means_one_target(world: World) -> None:
    volume = world.volume()
    world.stage(volume)
    single = access_of(volume, "SINGLE_NODE_SINGLE_WRITER")
    for _ in range(2):
        world.publish(volume, "first", single)
    with pytest.raises(Precondition, match=r"published at .*first"):
        world.publish(volume, "second", single)
    world.publish(volume, "second", access_of(volume, "SINGLE_NODE_MULTI_WRITER"))
    world.rules.publisher.unpublish(volume.id, world.target("first"))
    world.rules.publisher.unpublish(volume.id, world.target("second"))
    world.publish(volume, "third", single)


def test_a_target_that_is_published_otherwise_is_refused(world: World) -> None:
    volume, other = world.volume(), world.volume()
    world.stage(volume)
    world.stage(other)
    world.publish(volume)
    with pytest.raises(Exists, match="other flags"):
        world.publish(volume, read_only=True)
    with pytest.raises(Exists, match="something else"):
        world.publish(other)


@pytest.mark.parametrize("how", ["readonly", "reader only", "flag"])
def test_a_read_only_publication_cannot_be_written_and_has_no_devices(
    world: World, how: str
) -> None:
    volume = world.volume()
    staged = world.stage(volume)
    os.mknod(staged / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    modes = {"reader only": ("SINGLE_NODE_READER_ONLY",), "flag": ("SINGLE_NODE_WRITER", "ro")}
    access = access_of(volume, *modes.get(how, ("SINGLE_NODE_WRITER",)))
    world.stage(volume, access)
    target = world.publish(volume, access=access, read_only=how == "readonly")
    with pytest.raises(OSError, match="Read-only file system"):
        (target / "file").touch()
    with pytest.raises(PermissionError):
        (target / "null").read_bytes()


def test_what_is_in_use_is_not_taken_away(world: World) -> None:
    volume = world.volume()
    world.stage(volume)
    target = world.publish(volume)
    with pytest.raises(InUse, match="unpublish it"):
        world.unstage(volume)
    with (target / "file").open("w"), pytest.raises(InUse, match="is busy"):
        world.rules.publisher.unpublish(volume.id, target)
    world.rules.publisher.unpublish(volume.id, target)
    world.unstage(volume)


def test_only_what_is_empty_is_removed(world: World) -> None:
    volume = world.volume()
    target = world.target("pod")
    target.mkdir()
    (target / "file").write_text("a pod's")
    with pytest.raises(Precondition, match="cannot be removed"):
        world.rules.publisher.unpublish(volume.id, target)
    assert (target / "file").read_text() == "a pod's"
    full = world.target("other")
    full.write_text("content")
    with pytest.raises(Precondition, match="not an empty file"):
        world.rules.publisher.unpublish(volume.id, full)


def test_a_file_named_like_our_node_survives_in_a_volume(world: World) -> None:
    volume = world.volume()
    (world.stage(volume) / "device").touch()
    world.unstage(volume)
    assert (world.stage(volume) / "device").exists()


def test_a_copy_for_another_mode_is_refused(world: World) -> None:
    volume = world.volume()
    world.stage(volume)
    copy = world.driver.clone(volume.id)
    world.driver.volumes[copy.id] = replace(copy, properties=Properties(mode=VolumeMode.BLOCK))
    before = uuid(world, copy)
    world.stage(world.driver.get_volume(copy.id))
    assert world.driver.get_volume(copy.id).content is Content.INHERITED
    assert uuid(world, copy) == before == uuid(world, volume)
