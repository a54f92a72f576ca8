"""What a StorageClass may say to mkfs, and what it may not."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import mkfs
from drivers.errors import Invalid
from drivers.model import FsType


@pytest.mark.parametrize(
    ("fs_type", "text"),
    [
        (FsType.EXT4, ""),
        (FsType.EXT4, "-b 4096 -m 1.5 -O ^has_journal,quota -E stride=16,stripe_width=32"),
        (FsType.EXT4, "-i '8192' -T largefile4 -J size=64 -E discard"),
        (FsType.XFS, "-K -d su=64k,sw=2 -m reflink=0,crc=1 -i size=1024 -l size=64m"),
        (FsType.BTRFS, "-d single -m dup -n 16k --csum xxhash -O ^no-holes -M"),
    ],
)
def test_what_shapes_a_filesystem_is_allowed(fs_type: FsType, text: str) -> None:
    assert mkfs.options(fs_type, text) == shlex.split(text)


@pytest.mark.parametrize(
    ("fs_type", "text"),
    [
        (FsType.EXT4, "/dev/sda"),
        (FsType.EXT4, "-b 4096 /dev/sda"),
        (FsType.EXT4, "-J device=/dev/sda"),
        (FsType.EXT4, "-O journal_dev"),
        (FsType.EXT4, "-O quota,journal_dev"),
        (FsType.EXT4, "-d /etc"),
        (FsType.EXT4, "-U clear"),
        (FsType.EXT4, "-E offset=4096"),
        (FsType.EXT4, "-F"),
        (FsType.EXT4, "-b"),
        (FsType.EXT4, "-b -m"),
        (FsType.EXT4, "-b4096"),
        (FsType.EXT4, "--"),
        (FsType.EXT4, "'unfinished"),
        (FsType.XFS, "-l logdev=/dev/sda"),
        (FsType.XFS, "-d file,name=x"),
        (FsType.XFS, "-r rtdev=/dev/sda"),
        (FsType.XFS, "-m uuid=00000000-0000-0000-0000-000000000000"),
        (FsType.XFS, "-p proto"),
        (FsType.XFS, "-c options=x"),
        (FsType.BTRFS, "--rootdir /etc"),
        (FsType.BTRFS, "-r /etc"),
        (FsType.BTRFS, "-d raid0"),
        (FsType.BTRFS, "-U 1"),
    ],
)
def test_what_reaches_beyond_the_volume_is_refused(fs_type: FsType, text: str) -> None:
    with pytest.raises(Invalid, match="mkfs options"):
        mkfs.options(fs_type, text)


@given(st.sampled_from(FsType), st.text())
def test_no_text_gets_a_path_or_a_word_of_its_own_to_mkfs(fs_type: FsType, text: str) -> None:
    try:
        words = mkfs.options(fs_type, text)
    except Invalid:
        return
    assert not any("/" in word or "\n" in word for word in words)
    assert not words or words[0] in mkfs.ALLOWED[fs_type]
