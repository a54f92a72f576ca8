"""Processes with one backend, with two, and with what CSI marks as alpha."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drivers.model import GIB
from tests.fakes.bench import Bench, Options, bench
from tests.fakes.memory import MemoryDriver, MemoryOptions, PlainDriver

TWO: Options = {
    "fast": (MemoryDriver, MemoryOptions(backend_id="aaa")),
    "slow": (PlainDriver, MemoryOptions(backend_id="bbb", capacity=GIB)),
}


@pytest.fixture
def one() -> Iterator[Bench]:
    """One backend, that can do everything."""
    with bench() as running:
        yield running


@pytest.fixture
def two() -> Iterator[Bench]:
    """Two backends: one that can do everything, and a smaller one that can only do volumes."""
    with bench(TWO) as running:
        yield running


@pytest.fixture
def alpha() -> Iterator[Bench]:
    """One backend, and what CSI marks as alpha."""
    with bench(alpha=True) as running:
        yield running
