"""One control plane for all tests; a node, and an operator where a test starts one, for each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from csi.kube.api import Taken
from csi.kube.kinds import CLASS, Kind
from tests.operator.bench import Bench, bench, storage_class
from tests.operator.plane import Plane, running
from tests.unit.chart import template

NAMESPACE = "hearth-csi"
RIGHTS = "templates/operator-rbac.yaml"


@pytest.fixture(scope="session")
def plane() -> Iterator[Plane]:
    with running() as made:
        for each in (storage_class("hearth"), storage_class("foreign", "other.io")):
            with suppress(Taken):
                made.api().create(CLASS, each)
        yield made


@pytest.fixture(scope="session")
def token(plane: Plane) -> str:
    """That of the chart's service account: the operator has its rights and no others."""
    with suppress(Taken):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        plane.api().create(Kind("v1", "Namespace", "namespaces"), namespace)
    plane.kubectl("apply", "--filename=-", given=template("--show-only", RIGHTS))
    return plane.kubectl("create", "token", "hearth-operator", f"--namespace={NAMESPACE}").strip()


@pytest.fixture
def idle(plane: Plane, token: str) -> Iterator[Bench]:
    """A bench whose operator is not started."""
    with bench(plane, token) as made:
        yield made


@pytest.fixture(scope="module")
def served(plane: Plane, token: str) -> Iterator[Bench]:
    """A bench with an operator, for all tests of a module: each has objects of its own."""
    with bench(plane, token) as made:
        made.start()
        yield made
        assert "forbidden" not in made.log().lower()
