"""Reading the kernel's mount table."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from drivers import mountinfo
from drivers.quiesce import quiesced, thaw

TABLE = r"""22 15 0:20 / /run rw,nosuid,nodev shared:5 master:1 - tmpfs tmpfs rw,mode=755
40 22 253:7 /sub /run/a\040b\134c ro,relatime - ext4 /dev/mapper/vg-lv rw,errors=remount-ro
41 22 0:5 /dm-7 /run/node rw - devtmpfs devtmpfs rw
"""


def test_every_field_of_a_line_is_read() -> None:
    _, mount, _ = mountinfo.parse(TABLE)
    assert mount == mountinfo.Mount(
        id=40,
        parent=22,
        device=(253, 7),
        root="/sub",
        target=Path("/run/a b\\c"),
        options=frozenset({"ro", "relatime"}),
        fs_type="ext4",
        source="/dev/mapper/vg-lv",
        super_options=frozenset({"rw", "errors=remount-ro"}),
    )


def test_mounts_are_found_by_their_device() -> None:
    mounts = mountinfo.parse(TABLE)
    assert [each.id for each in mountinfo.mounts_of((253, 7), mounts)] == [40]
    assert mountinfo.mounts_of((253, 8), mounts) == []


def test_the_table_of_this_process_is_read() -> None:
    root = [each for each in mountinfo.read() if each.target == Path("/")]
    assert root
    assert Path("/").stat().st_dev in {os.makedev(*each.device) for each in root}


@given(st.text(st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1))
def test_names_come_back_as_the_kernel_escaped_them(name: str) -> None:
    escaped = "".join(f"\\{ord(each):03o}" if each in " \t\n\\" else each for each in name)
    (mount,) = mountinfo.parse(f"1 0 8:1 / /{escaped} rw - ext4 /dev/sda rw\n")
    assert mount.target == Path("/" + name)


def test_without_a_mounted_btrfs_there_is_nothing_to_hold_still() -> None:
    with quiesced((0, 0)):
        thaw((0, 0))
