"""One control plane for all tests; a node, and an operator where a test starts one, for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from csi.kube.api import Taken
from csi.kube.kinds import CLASS
from tests.operator.bench import Bench, bench, storage_class
from tests.operator.plane import ADMIN, Plane, running


@pytest.fixture(scope="session")
def plane() -> Iterator[Plane]:
    with running() as made:
        for each in (storage_class("hearth"), storage_class("foreign", "other.io")):
            with suppress(Taken):
                made.api().create(CLASS, each)
        yield made


@pytest.fixture
def idle(plane: Plane) -> Iterator[Bench]:
    """A bench whose operator is not started."""
    with bench(plane, ADMIN) as made:
        yield made


@pytest.fixture(scope="module")
def served(plane: Plane) -> Iterator[Bench]:
    """A bench with an operator, for all tests of a module: each has objects of its own."""
    with bench(plane, ADMIN) as made:
        made.start()
        yield made
