"""What the chart renders is accepted by a real API server, field by field."""

from __future__ import annotations

import pytest
import yaml

from tests.operator.plane import Plane
from tests.unit.chart import DATA, manifests, of_kind, template

pytestmark = pytest.mark.timeout(300)

ELSEWHERE = {
    "Issuer": "cert-manager",
    "Certificate": "cert-manager",
    "ServiceMonitor": "the Prometheus operator",
    "PrometheusRule": "the Prometheus operator",
}
"""Kinds that this control plane does not have, and whose they are."""
CASES = sorted(path.name.removesuffix(".yaml") for path in DATA.glob("*.yaml"))


@pytest.mark.usefixtures("token")
@pytest.mark.parametrize("name", [each for each in CASES if not each.endswith(".values")])
def test_an_api_server_accepts_what_the_chart_renders(plane: Plane, name: str) -> None:
    file = DATA / f"{name}.values.yaml"
    found = manifests(template(*(["--values", str(file)] if file.exists() else [])))
    known = [each for each in found if each["kind"] not in ELSEWHERE]
    for each in of_kind("StorageClass", known):
        # One of that name is there already, and parameters of a class cannot change.
        each["metadata"]["name"] += "-of-the-chart"
    text = yaml.safe_dump_all(known)
    said = plane.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "--filename=-", given=text
    )
    assert len(said.splitlines()) == len(known)
    assert all(line.endswith("(server dry run)") for line in said.splitlines()), said


def test_every_kind_that_is_left_out_is_rendered_somewhere() -> None:
    """Else the list would hide one that is misspelt."""
    text = (DATA / "full.yaml").read_text()
    assert {each["kind"] for each in manifests(text)} >= ELSEWHERE.keys()
