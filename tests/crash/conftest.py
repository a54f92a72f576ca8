"""Two disks for all crash tests, and the group on them, empty, with and without a thin pool."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers.model import MIB
from tests.crash import disks as making
from tests.crash.disks import Disks, Kept

POOL_SIZE = 640 * MIB


def pytest_addoption(parser: pytest.Parser) -> None:
    """Tell how much to try."""
    parser.addoption(
        "--sample", action="store_true", help="kill no two calls in places of the same kind"
    )
    parser.addoption(
        "--rounds", type=int, default=1, help="how often everybody dies at every step of a cut"
    )


@pytest.fixture(scope="session")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    """The disks. What is tried here suspends devices and kills processes: never on a machine in use."""
    assert os.environ.get("HEARTH_LAB") == "guest", "crash tests run by tools/lab run, not --host"
    gc.freeze()  # so that no collection in a forked process touches, and copies, all its memory
    folder: Path = tmp_path_factory.mktemp("crash")
    with making.disks(folder) as made:
        yield made


@pytest.fixture(scope="session")
def bases(disks: Disks) -> Callable[[bool], Kept]:
    """Empty groups, kept: with a pool (True) and without."""
    kept = {}
    for pool in (False, True):
        disks.make_group(POOL_SIZE if pool else None)
        kept[pool] = disks.keep(f"empty-{pool}")
    return kept.__getitem__
