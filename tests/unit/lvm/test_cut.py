"""Whom the program that cuts, and its guardian, let go on; on a kernel that keeps state in files."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from drivers.lvm import cut
from drivers.lvm.crowd import Crowd
from tests.fakes.frozen import FSID, Places

ALONE = """
import os, sys, time
from drivers.lvm import cut
from drivers.lvm.crowd import Crowd
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

    crowd = Crowd(act, ["one", "bad", "other"])
    assert together.n_waiting == 0, "nobody acts before the word"
    with pytest.raises(OSError, match="it is bad"):
        crowd.act()
    assert sorted(done) == ["one", "other"]


def test_a_crowd_that_was_called_off_does_nothing_any_more() -> None:
    done: list[str] = []
    crowd = Crowd(done.append, ["one", "other"])
    crowd.call_off()
    assert not crowd.act()
    assert done == []


class Sequence(Places):
    """A kernel that writes down what it is asked for, and has a fault."""

    def __init__(self, fault: str = "") -> None:
        super().__init__()
        self.fault, self.asked = fault, list[str]()

    def suspend(self, uuid: str) -> None:
        if self.fault == "refuses" and uuid == "b":
            raise OSError(errno.EIO, "b is not suspended")
        if self.fault == "breaks" and uuid == "b":
            raise MemoryError
        self.asked.append(f"suspend {uuid}")

    def is_suspended(self, uuid: str) -> bool:
        return not (self.fault == "goes on" and uuid == "b")

    def resume(self, uuid: str) -> None:
        self.asked.append(f"resume {uuid}")

    def message(self, uuid: str, text: str) -> None:
        self.asked.append(text)


def cut_two(fault: str = "") -> list[str]:
    plan = {"pool": "p", "snapshots": [(1, 11), (2, 12)], "active": ["a", "b"]}
    kernel = Sequence(fault)
    both = cut.Members({**plan, "mounted": [], "raw": [], "frozen": []}, kernel)
    try:
        cut.cut(kernel, both, 5, lambda: fault != "is left")
    except (OSError, cut.Failed) as error:
        kernel.asked.append(str(error))
    finally:
        cut.LIBC.munlockall()
    return kernel.asked


def test_all_are_suspended_before_the_first_snapshot_and_go_on_after_the_last() -> None:
    asked = cut_two()
    assert asked[:2] == ["delete 11", "delete 12"]
    assert sorted(asked[2:4]) == ["suspend a", "suspend b"]
    assert asked[4:] == ["create_snap 11 1", "create_snap 12 2", "resume b", "resume a"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("fault", "said"),
    [("refuses", "b is not suspended"), ("breaks", "not every volume was suspended")],
)
def test_nothing_is_snapshot_unless_every_volume_was_suspended(fault: str, said: str) -> None:
    asked = cut_two(fault)
    assert asked[2:-1] == ["suspend a", "resume b", "resume a"]
    assert said in asked[-1]


def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    assert cut_two("is left") == ["delete 11", "delete 12", "nobody waits for it any more"]


def test_a_cut_in_which_a_volume_went_on_is_none() -> None:
    assert "somebody let a volume go on" in cut_two("goes on")[-1]
