"""The custom resources themselves: that the examples are accepted, and kubectl explains all."""

from __future__ import annotations

import pytest

from tests.operator.bench import Bench
from tests.operator.plane import ROOT

pytestmark = pytest.mark.timeout(300)


def test_every_example_is_accepted(idle: Bench) -> None:
    folder = str(ROOT / "examples/import")
    said = idle.plane.kubectl("create", "--dry-run=server", f"--filename={folder}")
    assert len(said.splitlines()) == len(list((ROOT / "examples/import").glob("*.yaml")))


def test_kubectl_explains_and_lists_them(idle: Bench) -> None:
    said = idle.plane.kubectl("explain", "volumeimport.spec.reclaimPolicy")
    assert "Delete needs allowDelete" in said
    assert "no resources" not in idle.plane.kubectl("get", "vimp,vrel,simp,srel,hbe").lower()
