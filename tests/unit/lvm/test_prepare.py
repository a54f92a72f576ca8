"""Preparing disks: what is refused before anything is changed. What is made is tested on real LVM."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import Exists, Invalid, StorageError
from drivers.exec import Arg, Result
from drivers.lvm.prepare import Plan, create, largest_pool
from drivers.model import GIB, MIB


class Node:
    """A node with volume groups, which remembers every program that was run."""

    def __init__(self, *groups: str) -> None:
        self.groups = groups
        self.ran: list[str] = []

    def __call__(self, argv: Sequence[Arg], **manner: Any) -> Result:
        args = tuple(os.fspath(arg) for arg in argv)
        self.ran.append(" ".join(args[:2]))
        return Result(args, 0, "".join(f"  {name}\n" for name in self.groups), "")

    def step(self, what: str) -> None: ...


def refused(node: Node, plan: Plan) -> StorageError:
    with pytest.raises(StorageError) as caught:
        list(create(node, plan))
    assert set(node.ran) <= {"lvm vgs"}, "something was changed"
    return caught.value


def test_no_disk_at_all() -> None:
    assert isinstance(refused(Node(), Plan("vg", [])), Invalid)


@pytest.mark.parametrize("name", ["a/b", "-a", "", ".", "..", "a b", "a" * 64, "null"])
def test_a_name_that_lvm_would_refuse_is_refused_before_a_disk_is_touched(name: str) -> None:
    error = refused(Node(), Plan(name, ["/dev/gone"], wipe=True))
    assert isinstance(error, Invalid | Exists)
    assert "/dev/gone" not in str(error)


@pytest.mark.parametrize("name", ["a/b", "-a", "", "..", "pvmove0", "snapshot", "pool_tmeta"])
def test_a_pool_cannot_have_a_name_that_lvm_refuses_or_keeps(name: str) -> None:
    error = refused(Node(), Plan("vg", ["/dev/gone"], thin_pool=name, wipe=True))
    assert isinstance(error, Invalid)
    assert "/dev/gone" not in str(error)


def test_a_size_without_a_pool_is_refused() -> None:
    error = refused(Node(), Plan("vg", ["/dev/gone"], pool_size=GIB))
    assert "--thin-pool" in str(error)


def test_a_disk_that_is_named_twice(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/dev/gone")
    error = refused(Node(), Plan("vg", ["/dev/gone", str(tmp_path / "link")], wipe=True))
    assert "twice" in str(error)


def test_a_metadata_area_that_is_too_small_for_anything() -> None:
    assert "at least" in str(refused(Node(), Plan("vg", ["/dev/gone"], metadata_size=0)))


def test_the_largest_pool_leaves_room_for_its_metadata_twice() -> None:
    # 1,007 and 2,047 extents of 4 MiB; one in 1,024 bytes for the metadata, which is there twice.
    assert largest_pool([4 * GIB], 64 * MIB) == (1007 - 2) * 4 * MIB
    assert largest_pool([4 * GIB, 4 * GIB], MIB) == (2 * 1023 - 4) * 4 * MIB
    assert largest_pool([64 * MIB], 64 * MIB) == 0


def test_a_group_that_exists(tmp_path: Path) -> None:
    error = refused(Node("other", "vg"), Plan("vg", [str(tmp_path)]))
    assert isinstance(error, Exists)
    assert "vg exists" in str(error)


def test_a_name_that_only_begins_like_a_group_is_free(tmp_path: Path) -> None:
    error = refused(Node("vg2", "my-vg"), Plan("vg", [str(tmp_path / "gone")]))
    assert not isinstance(error, Exists)


@pytest.mark.parametrize("kind", ["file", "directory", "nothing", "link to a file"])
def test_what_is_no_block_device_is_refused_by_name_and_left_as_it_is(
    tmp_path: Path, kind: str
) -> None:
    path, file = tmp_path / "disk", tmp_path / "file"
    file.write_bytes(b"data of somebody")
    match kind:
        case "file":
            path = file
        case "directory":
            path.mkdir()
        case "link to a file":
            path.symlink_to(file)
    error = refused(Node(), Plan("vg", [str(path)], wipe=True))
    assert isinstance(error, Invalid)
    assert str(path) in str(error)
    assert file.read_bytes() == b"data of somebody"
