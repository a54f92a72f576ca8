"""Preparing disks: what is refused before anything is changed. What is made is tested on real LVM."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import Exists, Invalid, StorageError
from drivers.exec import Arg, Result
from drivers.lvm.prepare import Plan, create


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
