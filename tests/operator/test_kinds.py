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
    assert "Delete needs allowDelete" in " ".join(said.split())
    assert "no resources" not in idle.plane.kubectl("get", "vimp,vrel,simp,srel,hbe").lower()


def test_the_operator_may_do_what_it_does_and_not_what_others_do(idle: Bench, token: str) -> None:
    assert token
    may = {
        ("list", "endpointslices.discovery.k8s.io", "hearth-csi"): "yes",
        ("list", "endpointslices.discovery.k8s.io", "default"): "no",
        ("get", "secrets", "hearth-csi"): "no",
        ("create", "pods", "default"): "no",
        ("patch", "persistentvolumeclaims", "default"): "no",
        ("delete", "volumeimports.hearth-csi.io", ""): "no",
        ("patch", "nodes", ""): "no",
    }
    who = "--as=system:serviceaccount:hearth-csi:hearth-operator"
    for (verb, what, namespace), answer in may.items():
        where = [f"--namespace={namespace}"] if namespace else []
        said = idle.plane.kubectl("auth", "can-i", verb, what, who, *where, may_fail=True)
        assert said.split()[-1] == answer, (verb, what)
