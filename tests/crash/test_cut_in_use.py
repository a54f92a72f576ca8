"""As `test_cut`, of volumes that are written to meanwhile, one of them a btrfs, which is frozen for a cut.

The guardian, too, dies while it lets them go on. Whoever is left sees to it that no device stays suspended,
the btrfs does not stay frozen, and those who write go on writing.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from drivers.errors import Busy
from drivers.groups import GroupSnapshot, GroupSnapshotSpec
from drivers.lvm import ioctls
from drivers.lvm.moment import cut_together
from drivers.model import MIB, VolumeId
from tests.crash import grouping
from tests.crash.disks import Disks, Kept
from tests.crash.life import live
from tests.crash.node import Home, Node
from tests.crash.points import POOL_OPTIONS
from tests.crash.test_cut import alone, assert_nothing_is_left, dying
from tests.cuts import writer

pytestmark = [pytest.mark.lab, pytest.mark.fault, pytest.mark.timeout(7200)]

TREE, TREE_SIZE = "tree", 128 * MIB
NAMES = (*grouping.NAMES, TREE)
FREEZE = len(NAMES)
SUSPEND = FREEZE + 1
SNAPSHOT, _LOOK, RESUME, THAW = (SUSPEND + each * len(NAMES) for each in (1, 2, 3, 4))
POINTS = (FREEZE, SUSPEND, SUSPEND + 2, SNAPSHOT, RESUME, RESUME + 2, THAW)
"""Before which call somebody dies: the btrfs is frozen, some devices are suspended, all, some again."""
SAMPLE = (SUSPEND, SUSPEND + 2, RESUME + 2)


@pytest.fixture(scope="module")
def home(disks: Disks, bases: Callable[[bool], Kept]) -> Home:
    disks.set_back(bases(True))
    return Home(disks, POOL_OPTIONS)


@pytest.fixture(scope="module")
def ids(home: Home) -> dict[str, str]:
    """Three volumes and one for a btrfs."""

    def prepare(node: Node) -> dict[str, str]:
        grouping.filled(node)
        node.create(TREE, TREE_SIZE)
        return node.ids

    return live(lambda door: alone(home, prepare, door)).answer


@pytest.fixture(scope="module")
def tree(
    home: Home, ids: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """Where the btrfs is mounted, while somebody writes to it and to the others."""

    def connect(node: Node) -> list[str]:
        made = (node.driver.initialize_connection(VolumeId(ids[each])) for each in NAMES)
        return [str(each.path) for each in made]

    *raw, device = live(lambda door: alone(home, connect, door, ids)).answer
    place = tmp_path_factory.mktemp("tree")
    subprocess.run(["mkfs.btrfs", "-q", "-f", device], check=True)
    subprocess.run(["mount", "-t", "btrfs", device, place], check=True)
    with ExitStack() as stack:
        stack.callback(subprocess.run, ["umount", place], check=True)
        stack.enter_context(written("raw", raw))
        stack.enter_context(written("files", [str(place)]))
        yield place


@contextmanager
def written(kind: str, places: Sequence[str]) -> Iterator[None]:
    """For the block, somebody writes, and is not stopped for ever by anything."""
    program = [sys.executable, "-I", "-S", writer.__file__, kind, *places]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"writing\n"
        yield
        rounds, _longest = process.communicate(timeout=60)[0].split()
        assert int(rounds) > 1


@pytest.mark.parametrize("who", ["itself", "guardian", "both", "twice", "lingers"])
def test_all_that_are_written_to_go_on(
    home: Home, ids: dict[str, str], tree: Path, who: str, pytestconfig: pytest.Config
) -> None:
    points = SAMPLE if pytestconfig.getoption("sample") else POINTS
    for number in points * pytestconfig.getoption("rounds"):
        act = partial(broken_off, tree, who, number)
        assert live(lambda door, at=act: alone(home, at, door, ids)).answer, f"{who} {number}"


def broken_off(tree: Path, who: str, number: int, node: Node) -> bool:
    """A cut in which somebody dies is refused and leaves nothing; the next one succeeds."""
    node.driver._group.cutter = partial(cut_together, program=dying(who, number))
    with pytest.raises(Busy):
        moment(node)
    assert_nothing_is_left(node)
    assert not is_frozen(tree)
    node.driver._group.cutter = cut_together
    made = moment(node)
    assert len(made.snapshots) == len(NAMES)
    node.driver.delete_group_snapshot(made.id)
    return True


def test_a_btrfs_that_somebody_else_froze_stays_frozen(
    home: Home, ids: dict[str, str], tree: Path
) -> None:
    def refused(node: Node) -> bool:
        with pytest.raises(Busy, match=r"all volumes go on.* is frozen by somebody else"):
            moment(node)
        assert_nothing_is_left(node)
        return True

    assert live(lambda door: alone(home, partial(held, tree, refused), door, ids)).answer


def held(tree: Path, act: Callable[[Node], bool], node: Node) -> bool:
    """Freeze the btrfs by hand, and look whether it is still frozen afterwards."""
    with opened(tree) as descriptor:
        fcntl.ioctl(descriptor, ioctls.FIFREEZE, 0)
        try:
            return act(node)
        finally:
            assert is_frozen(tree)


def moment(node: Node) -> GroupSnapshot:
    ids = tuple(VolumeId(node.ids[each]) for each in NAMES)
    return node.driver.create_group_snapshot(GroupSnapshotSpec("in use", ids))


@contextmanager
def opened(tree: Path) -> Iterator[int]:
    descriptor = os.open(tree, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_frozen(tree: Path) -> bool:
    """Whether it was frozen; it is not afterwards."""
    with opened(tree) as descriptor:
        try:
            fcntl.ioctl(descriptor, ioctls.FITHAW, 0)
        except OSError:
            return False
    return True
