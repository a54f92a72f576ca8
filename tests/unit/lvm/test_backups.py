"""Copies of the metadata: one after a change, one for many, and never in anybody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.lvm import commands
from drivers.lvm.backups import DRAFT, KEPT, Backups, keep
from drivers.lvm.group import VolumeGroup
from drivers.lvm.options import Options
from drivers.options import check
from tests.fakes.lvm import FakeLvm, Process
from tests.fakes.lvm.driver import life


def opened(lvm: FakeLvm, process: Process, folder: Path) -> VolumeGroup:
    """A group of which no copies are made yet."""
    keys = {"runtimeDirectory": str(lvm.directory / "run"), "backupDirectory": str(folder)}
    group = VolumeGroup("backend", check({"volumeGroup": "vg", **keys}, Options), process,
                        process.machine)  # fmt: skip
    group.open()
    return group


@contextmanager
def copying(
    lvm: FakeLvm, process: Process, folder: Path, delay: float = 0.2
) -> Iterator[VolumeGroup]:
    """A group of which copies are made while the block lasts."""
    group = opened(lvm, process, folder)
    backups = Backups(group, delay)
    backups.start()
    try:
        yield group
    finally:
        backups.close()
        group.close()


def change(group: VolumeGroup, number: int) -> None:
    """Change the group."""
    group.run(commands.retag(group.name, "pool", add={f"tag{number}"}))


def runs(process: Process) -> int:
    """How many copies LVM was asked for."""
    return sum("vgcfgbackup" in event.what for event in process.events)


def until(is_so: Callable[[], object]) -> None:
    """Return when it is so."""
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def copies(folder: Path) -> list[Path]:
    return sorted((folder / "vg").glob("*"))


def test_a_change_is_followed_by_a_copy_and_many_by_one(lvm: FakeLvm, tmp_path: Path) -> None:
    process, folder = Process(lvm), tmp_path / "some/where"
    with copying(lvm, process, folder, delay=1.0) as group:
        until(lambda: runs(process) == 1)
        for number in range(20):
            change(group, number)
        assert runs(process) == 1
        until(lambda: runs(process) == 2)
        until(lambda: f"seqno = {lvm.state.seqno}\n" in copies(folder)[-1].read_text())
        time.sleep(2.5)
        assert runs(process) == 2
    assert runs(process) == 2
    assert (folder / "vg").stat().st_mode & 0o777 == 0o700


def test_what_anybody_changed_is_copied_once_it_is_seen(lvm: FakeLvm, tmp_path: Path) -> None:
    process = Process(lvm)
    with copying(lvm, process, tmp_path) as group:
        until(lambda: copies(tmp_path))
        # A copy is a command too, after which is looked once more.
        until(lambda: not group.touched.is_set())
        time.sleep(0.3)
        lvm.run(["lvm", "lvchange", "--addtag", "by-hand", "--", "vg/pool"])
        group.read()
        until(lambda: f"seqno = {lvm.state.seqno}\n" in copies(tmp_path)[-1].read_text())


def test_how_long_a_change_has_waited_for_its_copy_is_told(
    lvm: FakeLvm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now, group = [1000.0], opened(lvm, Process(lvm), tmp_path)
    (tmp_path / "vg").touch()
    backups = Backups(group, 0.05, lambda: now[0])
    assert backups.lag() is None
    backups.start()
    until(lambda: "could not be copied to a file" in caplog.text)
    now[0] += 700.0
    assert (backups.lag(), backups.latest) == (700.0, None)
    (tmp_path / "vg").unlink()
    until(lambda: backups.latest)
    until(lambda: backups.lag() == 0.0)
    backups.close()
    group.close()


def test_the_driver_tells_of_its_copies(lvm: FakeLvm, tmp_path: Path) -> None:
    with life(lvm, backupDirectory=str(tmp_path)) as alive:
        stats = alive.driver.get_volume_stats({}, refresh=False)
        assert stats.uncopied is not None
        alive.driver._backups.close()
        stats = alive.driver.get_volume_stats({}, refresh=False)
        assert stats.copied is not None


def test_the_copy_that_is_due_is_made_at_the_end(lvm: FakeLvm, tmp_path: Path) -> None:
    with life(lvm, backupDirectory=str(tmp_path)) as alive:
        alive.volume()
        assert runs(alive.process) == 0
    (copy,) = copies(tmp_path)
    assert "vol-" in copy.read_text()


def test_a_group_that_has_not_changed_since_has_no_second_copy(
    lvm: FakeLvm, tmp_path: Path
) -> None:
    for _ in range(3):
        with life(lvm, backupDirectory=str(tmp_path)):
            pass
    assert len(copies(tmp_path)) == 1


def test_activation_changes_nothing_that_is_copied(lvm: FakeLvm, tmp_path: Path) -> None:
    process = Process(lvm)
    with copying(lvm, process, tmp_path) as group:
        until(lambda: runs(process) == 1)
        looks = process.looks
        group.touched.set()
        until(lambda: process.looks > looks)
    assert runs(process) == 1


def test_nothing_is_copied_where_that_is_not_wanted(lvm: FakeLvm) -> None:
    with life(lvm) as alive:
        alive.volume()
        assert "lvm-backup" not in {thread.name for thread in threading.enumerate()}
    assert runs(alive.process) == 0


def test_a_copy_that_fails_is_told_and_tried_again_and_fails_nothing_else(
    lvm: FakeLvm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "vg").touch()
    with copying(lvm, Process(lvm), tmp_path) as group:
        until(lambda: "could not be copied to a file" in caplog.text)
        assert "File exists" in caplog.text
        change(group, 1)
        (tmp_path / "vg").unlink()
        until(lambda: copies(tmp_path))


def test_lvm_that_fails_is_told_too(
    lvm: FakeLvm, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = Process(lvm)
    with copying(lvm, process, tmp_path) as group:
        until(lambda: runs(process) == 1)
        lvm.pull("/dev/sda")
        group.touched.set()
        until(lambda: "/dev/sda cannot be opened" in caplog.text)


def test_a_lock_that_others_hold_is_not_waited_for(lvm: FakeLvm, tmp_path: Path) -> None:
    process = Process(lvm)
    with copying(lvm, process, tmp_path):
        lvm.locked = 1
        until(lambda: copies(tmp_path))
        assert lvm.locked == 1


def test_the_last_few_are_kept_and_a_draft_is_none_of_them(tmp_path: Path) -> None:
    for number in range(KEPT + 3):
        old = tmp_path / f"20200101T0000{number:02}Z.vg"
        old.write_text(f"creation_time = {number}\nseqno = {number}\n")
    (tmp_path / "mine.txt").touch()
    (tmp_path / DRAFT).write_text("creation_time = 99\nseqno = 99\n")
    keep(tmp_path)
    kept = sorted(path.name for path in tmp_path.glob("*.vg"))
    assert len(kept) == KEPT
    assert kept[0] == "20200101T000004Z.vg"
    assert (tmp_path / kept[-1]).read_text().endswith("seqno = 99\n")
    assert {path.name for path in tmp_path.iterdir()} == {*kept, "mine.txt"}


def test_a_copy_like_the_newest_is_not_kept(tmp_path: Path) -> None:
    newest = tmp_path / "20200101T000000Z.vg"
    newest.write_text("creation_time = 1\nseqno = 7\n")
    (tmp_path / DRAFT).write_text("creation_time = 2\nseqno = 7\n")
    keep(tmp_path)
    assert list(tmp_path.iterdir()) == [newest]
