"""The chart, rendered by the real helm: what the tests of the chart and of the examples look at."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/hearth-csi"
DATA = ROOT / "tests/data/chart"
EXAMPLES = ROOT / "examples"
HELM = ROOT / "build/cluster/bin/helm"

Manifest = Mapping[str, Any]
# What Helm draws anew for every rendering.
SECRET = re.compile(r"^(  (?:tls|ca)\.(?:crt|key): )\S+$", re.MULTILINE)
# It is a file of the chart, and a test of its own compares the two.
DASHBOARD = re.compile(r"^(  hearth-csi\.json: \|\n)(?:    .*\n)+", re.MULTILINE)


def helm(
    *arguments: str, values: Mapping[str, Any] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run helm; ``values`` go to a ``--values -`` among the arguments."""
    assert HELM.exists(), f"there is no {HELM.relative_to(ROOT)}: build it with tools/build-helm"
    return subprocess.run(
        [str(HELM), *arguments],
        input=yaml.safe_dump(values or {}),
        capture_output=True,
        text=True,
        check=False,
    )


def template(*arguments: str, release: str = "hearth", namespace: str = "hearth-csi") -> str:
    """What the chart makes of its values."""
    done = helm("template", release, str(CHART), "--namespace", namespace, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def case(name: str) -> str:
    """The chart with the values of one case; what is secret is left out, and the dashboard."""
    file = DATA / f"{name}.values.yaml"
    text = template(*(["--values", str(file)] if file.exists() else []))
    return DASHBOARD.sub(r"\1    {}\n", SECRET.sub(r"\1MASKED", text))


def manifests(text: str) -> list[Manifest]:
    """The objects of a rendering or of a file."""
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(kind: str, found: list[Manifest]) -> Iterator[Manifest]:
    """Those of one kind."""
    return (each for each in found if each["kind"] == kind)


def pod_specs(found: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """The pods that the objects lead to, by kind and name of what makes them."""
    for each in found:
        if "template" in each.get("spec", {}):
            yield f"{each['kind']}/{each['metadata']['name']}", each["spec"]["template"]["spec"]
