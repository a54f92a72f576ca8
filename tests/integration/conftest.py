"""One volume group and one service on it for all tests that go through the socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.served import Served, lvm

GROUP, POOL = "hearth-csi", "pool"


@contextmanager
def volume_group(name: str, *disks: str) -> Iterator[str]:
    """A volume group on ``disks`` with a thin pool called `POOL`, gone at the end with all in it."""
    lvm("pvcreate", "--yes", "--metadatasize", "16m", *disks)
    lvm("vgcreate", "--yes", name, *disks)
    try:
        lvm(
            "lvcreate",
            "--yes",
            "-T",
            "-L",
            "1500m",
            "--errorwhenfull",
            "y",
            "-Zy",
            f"{name}/{POOL}",
        )
        yield name
    finally:
        lvm("vgremove", "--yes", "-ff", name)
        lvm("pvremove", "--yes", "-ff", *disks)


@pytest.fixture(scope="session")
def group() -> Iterator[str]:
    """The group, on the lab's second disk: the first belongs to the tests of the driver."""
    with volume_group(GROUP, os.environ["HEARTH_LAB_DISKS"].split()[1]) as name:
        yield name


@pytest.fixture(scope="session")
def session(group: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The service, started once."""
    served = Served(tmp_path_factory.mktemp("csi"), group, POOL)
    served.start()
    yield served
    assert served.stop() == 0


@pytest.fixture
def served(session: Served) -> Iterator[Served]:
    """The service with nothing in it; afterwards nothing may be left but the pool."""
    yield session
    session.empty()
    names = lvm("lvs", "--noheadings", "--options", "lv_name", session.group).split()
    assert names == [POOL]
    assert [mount for mount in _mounts() if str(session.folder) in mount] == []


def _mounts() -> list[str]:
    return Path("/proc/self/mounts").read_text().splitlines()
