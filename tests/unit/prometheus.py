"""The chart's rules and dashboard as Prometheus gets them, and the programs of Prometheus to judge them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.unit.chart import CHART, ROOT, manifests, of_kind, template

PROGRAMS = ROOT / "build/debian/prometheus/usr/bin"
RUNBOOKS = ROOT / "docs/guides/alerts"
DASHBOARD = CHART / "files/dashboard.json"

STRING = re.compile(r'"(?:\\.|[^"\\])*"')
MATCHERS = re.compile(r"\{([^}]*)\}")
MATCHED = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
GROUPED = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
SPAN = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
NAME = re.compile(r"(?<![\w:.])[A-Za-z_:][\w:]*(?![\w:]|\s*\()")
WORDS = {"and", "or", "unless", "bool", "offset"}


def program(name: str) -> str:
    """One of Prometheus' programs."""
    path = PROGRAMS / name
    assert path.exists(), f"there is no {path.relative_to(ROOT)}: make setup unpacks it"
    return str(path)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; what it has to say is on standard output or standard error."""
    return subprocess.run(
        [program("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False
    )


@cache
def rules() -> Mapping[str, Any]:
    """The rules that the chart renders with its defaults: a rule file of Prometheus."""
    text = template("--set", "metrics.prometheusRule.enabled=true")
    (rule,) = of_kind("PrometheusRule", manifests(text))
    spec: Mapping[str, Any] = rule["spec"]
    return spec


def write_rules(file: Path) -> Path:
    """The rules, as a file."""
    file.write_text(yaml.safe_dump(dict(rules()), sort_keys=False, width=1000))
    return file


def alerts() -> Mapping[str, Mapping[str, Any]]:
    """Every alert by its name."""
    found = [rule for group in rules()["groups"] for rule in group["rules"]]
    assert len(found) == len({rule["alert"] for rule in found}), "an alert is there twice"
    return {rule["alert"]: rule for rule in found}


def dashboard() -> Mapping[str, Any]:
    """The dashboard."""
    read: Mapping[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return read


def panels() -> list[Mapping[str, Any]]:
    """All panels but the headings."""
    return [each for each in dashboard()["panels"] if each["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Every query of dashboard and rules, and where it is; with all values chosen."""
    for name, rule in alerts().items():
        yield name, rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield f"{panel['title']} {target['refId']}", chosen(target["expr"])
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            metric, _, label = variable["query"]["query"][len("label_values(") : -1].rpartition(",")
            yield f"${variable['name']}", f"count by ({label.strip()}) ({chosen(metric)})"


def chosen(expression: str) -> str:
    """What Grafana asks: with its variables filled in."""
    filled = expression.replace("$__rate_interval", "1m")
    return re.sub(r"\$(?:namespace|node|backend)\b", ".*", filled)


def metrics_in(expression: str) -> set[str]:
    """The names of the series that an expression is about."""
    bare = MATCHERS.sub(" ", STRING.sub('""', expression))
    return set(NAME.findall(SPAN.sub(" ", GROUPED.sub(" ", bare)))) - WORDS


def labels_in(expression: str) -> set[str]:
    """The labels that it chooses or groups by."""
    bare = STRING.sub('""', expression)
    matched = {name for part in MATCHERS.findall(bare) for name in MATCHED.findall(part)}
    grouped = {name.strip() for part in GROUPED.findall(bare) for name in part.split(",")}
    return (matched | grouped) - {""}
