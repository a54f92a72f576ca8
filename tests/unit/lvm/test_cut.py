"""Whom the program that cuts, and its guardian, let go on; on a kernel that keeps state in files."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drivers.lvm import cut
from tests.fakes.frozen import FSID, Places

ALONE = """
import os, sys, time
from drivers.lvm import cut
from tests.fakes.frozen import FSID, Places

kernel, frozen = Places(), [(each, FSID) for each in sys.argv[1:]]
members = cut.Members(
    {"pool": "p", "snapshots": [], "active": ["a"], "mounted": [], "raw": [], "frozen": frozen}, kernel
)
cut.Guardian(kernel, members, 0.3)
"""
FREEZES = """
try:
    members.freeze(kernel)
except cut.Failed:
    os._exit(0)
"""
LEAVES_ITS_END_OPEN = """
if os.fork() == 0:
    time.sleep(1)
os._exit(0)
"""


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    made = [tmp_path / name for name in ("ours", "theirs", "after")]
    for each in made:
        each.mkdir()
    Places.mark(made[1]).touch()
    return made


def frozen(places: list[Path]) -> list[str]:
    return [each.name for each in places if Places.mark(each).exists()]


def members(places: list[Path], kernel: Places) -> cut.Members:
    plan = {"pool": "p", "snapshots": [], "active": [], "mounted": [], "raw": []}
    return cut.Members({**plan, "frozen": [(str(each), FSID) for each in places]}, kernel)


def test_what_somebody_else_froze_stays_frozen(places: list[Path]) -> None:
    all_of_them = members(places, kernel := Places())
    with pytest.raises(cut.Failed, match="theirs is frozen by somebody else"):
        all_of_them.freeze(kernel)
    assert frozen(places) == ["ours", "theirs"]
    assert all_of_them.go_on(kernel)
    assert frozen(places) == ["theirs"]


def test_one_that_does_not_thaw_is_told(places: list[Path]) -> None:
    all_of_them = members(places[:1], kernel := Places())
    all_of_them.freeze(kernel)
    kernel.is_broken = True
    assert not all_of_them.go_on(kernel)


def test_what_shows_another_filesystem_by_now_is_not_frozen(tmp_path: Path) -> None:
    """A freeze of what was below a mount that went may hold the node's root."""
    gone = tmp_path / "gone"
    gone.mkdir()
    with pytest.raises(cut.Failed, match=f"gone does not show btrfs {FSID} any more"):
        members([gone], Places())


def test_the_real_kernel_knows_what_is_no_btrfs() -> None:
    class Real(Places):
        """As it asks."""

        btrfs = cut.Kernel.btrfs

    with pytest.raises(cut.Failed, match="does not show btrfs"):
        members([Path("/proc")], Real())


def left(code: str, *places: Path) -> str:
    """What is heard when the program is reaped, and its guardian has ended."""
    program = [sys.executable, "-c", f"{ALONE}{code}", *map(str, places)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.wait()
        return process.stdout.read()


def test_the_guardian_knows_what_others_froze(places: list[Path]) -> None:
    assert left(FREEZES, *places) == "a resumed\nresumed\n"
    assert frozen(places) == ["theirs"]


def test_the_guardian_goes_on_when_nobody_is_left_to_be_killed() -> None:
    assert left(LEAVES_ITS_END_OPEN) == "a resumed\nresumed\n"


def test_a_crowd_acts_together_and_tells_an_error_when_all_have_ended() -> None:
    together, done = threading.Barrier(3), []

    def act(thing: str) -> None:
        together.wait(10)
        if thing == "bad":
            raise OSError(errno.EIO, "it is bad")
        done.append(thing)

    crowd = cut.Crowd(act, ["one", "bad", "other"])
    assert together.n_waiting == 0, "nobody acts before the word"
    with pytest.raises(OSError, match="it is bad"):
        crowd.act()
    assert sorted(done) == ["one", "other"]
