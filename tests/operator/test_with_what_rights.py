"""The operator has no right that it does not use. Last of all: the other tests are what it uses them for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.operator.conftest import RIGHTS
from tests.operator.plane import Plane, Right
from tests.unit.chart import template

pytestmark = pytest.mark.timeout(60)

RARELY = {Right("hearth-csi.io", "backends", "get")}
"""What somebody else has made between a list and a creation is read."""
ELSEWHERE = {"endpointslices"}
"""Tests tell the operator where nodes are. In a cluster it is told by these, which `tests/e2e` uses."""


def granted() -> Iterator[Right]:
    """Every right that the chart gives."""
    for document in yaml.safe_load_all(template("--show-only", RIGHTS)):
        for rule in (document or {}).get("rules", ()):
            for group in rule["apiGroups"]:
                for what in rule["resources"]:
                    yield from (Right(group, what, verb) for verb in rule["verbs"])


def test_every_right_is_used(plane: Plane, request: pytest.FixtureRequest) -> None:
    ran = {each.path for each in request.session.items}
    if not ran >= set(Path(__file__).parent.glob("test_*.py")):
        return  # a part of the tests tells nothing of what is not used
    used = set(plane.asked())
    unused = {each for each in granted() if each.what not in ELSEWHERE} - used - RARELY
    assert sorted(unused) == []
