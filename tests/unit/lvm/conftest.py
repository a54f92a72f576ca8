"""A fresh volume group in memory for each test that asks for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.lvm import FakeLvm


@pytest.fixture
def lvm(tmp_path: Path) -> FakeLvm:
    """Four unequal disks and a thin pool."""
    machine = FakeLvm(tmp_path)
    machine.add_pool()
    return machine
