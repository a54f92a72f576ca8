"""Requests that contradict what is staged or published, or lead outside: refused, changing nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from csi.node.access import Access
from drivers.errors import Exists, InUse, Invalid, NotFound, Precondition
from drivers.model import Content, VolumeId, VolumeMode
from tests.integration.node.conftest import World, access_of

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]


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
    world.driver.terminate_connection(volume.id)
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


def test_a_volume_is_not_published_into_itself(world: World) -> None:
    volume = world.volume()
    staged = world.stage(volume)
    for target in (staged, staged / "x"):
        with pytest.raises(Invalid, match="in the staging path"):
            world.rules.publisher.publish(
                volume.id, staged, target, access_of(volume), read_only=False
            )
    assert not (staged / "x").exists()
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
