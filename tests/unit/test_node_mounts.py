"""Places below the kubelet's directory, and the mount flags of a request. No root is needed."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from csi.node.filesystems import filesystems, parse_flags
from csi.node.filesystems.btrfs import crc32c
from csi.node.mounts import Mounts, NoPlace
from csi.node.staging import comparable
from drivers.errors import Invalid, Precondition, Unavailable
from drivers.exec import Host
from drivers.model import FsType


@pytest.fixture
def mounts(tmp_path: Path) -> Mounts:
    (tmp_path / "kubelet" / "pods").mkdir(parents=True)
    return Mounts(tmp_path / "kubelet", Host())


def test_a_place_is_made_and_removed(mounts: Mounts, tmp_path: Path) -> None:
    target = tmp_path / "kubelet" / "pods" / "a b\nc"
    with mounts.place(target) as place:
        for _ in range(2):
            mounts.make_directory(place)
        assert target.is_dir()
        assert mounts.at(place) is None
        assert mounts.real(place) == target
        with pytest.raises(Precondition, match="is not a file"):
            mounts.make_file(place)
        for _ in range(2):
            mounts.remove(place)
        for _ in range(2):
            mounts.make_file(place)
        with pytest.raises(Precondition, match="is not a directory"):
            mounts.make_directory(place)
        mounts.remove(place)
    assert not target.exists()


@pytest.mark.parametrize(
    "path",
    ["", "/", "/etc", "kubelet/x", "{root}", "{root}/../x", "{root}/pods/../../x", "{root}x/y"],
)
def test_what_is_not_below_the_directory_is_refused(
    mounts: Mounts, tmp_path: Path, path: str
) -> None:
    with (
        pytest.raises(Invalid, match=r"absolute path|below the kubelet"),
        mounts.place(Path(path.format(root=tmp_path / "kubelet"))),
    ):
        pass


def test_a_symbolic_link_anywhere_is_refused(mounts: Mounts, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tmp_path / "kubelet" / "link").symlink_to(outside)
    (tmp_path / "kubelet" / "inner").symlink_to("pods")
    for name in ("link", "inner"):
        with (
            pytest.raises(Invalid, match="symbolic link"),
            mounts.place(tmp_path / "kubelet" / name / "target"),
        ):
            pass
        with mounts.place(tmp_path / "kubelet" / name) as place:
            with pytest.raises(Invalid, match="symbolic link"), mounts.opened(place):
                pass
            with pytest.raises(Precondition):
                mounts.make_directory(place)
            with pytest.raises(Precondition):
                mounts.remove(place)


def test_a_directory_exchanged_for_a_link_all_the_time_leads_nowhere(
    mounts: Mounts, tmp_path: Path
) -> None:
    outside, pods = tmp_path / "outside", tmp_path / "kubelet" / "pods"
    (outside / "pod").mkdir(parents=True)
    end = threading.Event()

    def exchange() -> None:
        while not end.is_set():
            pods.rename(tmp_path / "kubelet" / "aside")
            pods.symlink_to(outside)
            time.sleep(0.0002)
            pods.unlink()
            (tmp_path / "kubelet" / "aside").rename(pods)
            time.sleep(0.0002)

    (pods / "pod").mkdir()
    attacker = threading.Thread(target=exchange)
    attacker.start()
    made = refused = 0
    try:
        for _ in range(2000):
            try:
                with mounts.place(pods / "pod" / "target") as place:
                    mounts.make_file(place)
                    made += 1
            except (Invalid, NoPlace):
                refused += 1
    finally:
        end.set()
        attacker.join()
    assert made
    assert refused
    assert list((outside / "pod").iterdir()) == []


def test_a_place_in_nothing_says_so(mounts: Mounts, tmp_path: Path) -> None:
    with pytest.raises(NoPlace), mounts.place(tmp_path / "kubelet" / "no" / "target"):
        pass
    (tmp_path / "kubelet" / "file").touch()
    with pytest.raises(Invalid), mounts.place(tmp_path / "kubelet" / "file" / "target"):
        pass


def test_only_what_is_empty_is_removed(mounts: Mounts, tmp_path: Path) -> None:
    full = tmp_path / "kubelet" / "pods" / "full"
    full.mkdir()
    (full / "file").write_text("data")
    with mounts.place(full) as place, pytest.raises(Precondition, match="cannot be removed"):
        mounts.remove(place)
    with mounts.place(full / "file") as place, pytest.raises(Precondition, match="not an empty"):
        mounts.remove(place)
    assert (full / "file").read_text() == "data"


def test_a_directory_that_is_reached_by_a_link_itself_is_the_kubelets(tmp_path: Path) -> None:
    (tmp_path / "real" / "pods").mkdir(parents=True)
    (tmp_path / "kubelet").symlink_to(tmp_path / "real")
    mounts = Mounts(tmp_path / "kubelet", Host())
    for root in ("kubelet", "real"):
        with mounts.place(tmp_path / root / "pods" / "target") as place:
            assert mounts.real(place) == tmp_path / "real" / "pods" / "target"


def test_flags_are_sorted_by_who_acts_on_them(mounts: Mounts) -> None:
    ext4 = filesystems(Host(), mounts)[FsType.EXT4]
    flags = parse_flags(ext4, ["ro", "noatime", "discard", "commit=30", "lazytime", "rw"])
    assert flags.read_only
    assert flags.attributes == {"nodev", "noatime"}
    assert flags.options == (("discard", None), ("commit", "30"), ("lazytime", None))


def test_a_label_of_selinux_may_have_commas_and_quotes(mounts: Mounts) -> None:
    xfs = filesystems(Host(), mounts)[FsType.XFS]
    label = "system_u:object_r:container_file_t:s0:c1,c2"
    for text in (f'context="{label}"', f"context={label}"):
        assert parse_flags(xfs, [text]).options == (("context", label),)


@pytest.mark.parametrize("fs_type", FsType)
@pytest.mark.parametrize(
    "flag",
    [
        "dev",
        "nouuid",
        "norecovery",
        "noload",
        "errors=panic",
        "logdev=/dev/sda",
        "device=/dev/sda",
        "subvol=x",
        "commit=x",
        "discard=yes",
        "discard,dev",
        "bind",
        "remount",
        "x-mount.mkdir",
        "loop",
        "",
        "commit=",
    ],
)
def test_other_flags_are_refused_by_their_place(mounts: Mounts, fs_type: FsType, flag: str) -> None:
    with pytest.raises(Invalid, match=r"mount_flags\[1\] is not allowed") as refused:
        parse_flags(filesystems(Host(), mounts)[fs_type], ["noatime", flag])
    assert not flag or f"'{flag}'" not in str(refused.value)


def test_flags_that_exclude_each_other_are_refused(mounts: Mounts) -> None:
    with pytest.raises(Invalid, match="only one of noatime, relatime, strictatime"):
        parse_flags(filesystems(Host(), mounts)[FsType.XFS], ["noatime", "strictatime"])


def test_a_kubelet_without_a_directory_is_told_of(tmp_path: Path) -> None:
    absent = Mounts(tmp_path / "absent", Host())
    with (
        pytest.raises(Unavailable, match="cannot be opened"),
        absent.place(tmp_path / "absent" / "target"),
    ):
        pass


def test_attributes_compare_as_the_kernel_shows_them() -> None:
    assert comparable(frozenset({"nodev"})) == {"nodev", "relatime"}
    assert comparable(frozenset({"nodev", "noatime"})) == {"nodev", "noatime"}
    assert comparable(frozenset({"strictatime"})) == set()


def test_the_checksum_of_btrfs_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA


def test_the_steps_are_told_before_they_happen(mounts: Mounts, tmp_path: Path) -> None:
    seen: list[tuple[str, bool]] = []
    target = tmp_path / "kubelet" / "pods" / "target"

    class Watching(Host):
        def step(self, what: str) -> None:
            seen.append((what.split(maxsplit=1)[0], target.exists()))

    watched = Mounts(tmp_path / "kubelet", Watching())
    with watched.place(target) as place:
        watched.make_directory(place)
        watched.remove(place)
    assert seen == [("mkdir", False), ("remove", True)]
    assert not os.path.lexists(target)
