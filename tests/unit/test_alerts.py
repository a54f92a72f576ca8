"""Every alert fires when it should and not otherwise, and leads to a page that helps."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.chart import DATA, ROOT, case, manifests, of_kind
from tests.unit.prometheus import RUNBOOKS, alerts, labels_in, promtool, write_rules

STORIES = sorted((ROOT / "tests/data/alerts").glob("*.yaml"))
SECTIONS = ["What it means", "How to see it", "What to do"]


def story(file: Path) -> list[dict[str, Any]]:
    """The moments that a file tells of."""
    read = yaml.safe_load(file.read_text())
    return [moment for test in read["tests"] for moment in test["alert_rule_test"]]


@pytest.mark.parametrize("file", STORIES, ids=[file.stem for file in STORIES])
def test_it_fires_when_it_should_and_not_otherwise(file: Path, tmp_path: Path) -> None:
    write_rules(tmp_path / "rules.yaml")
    shutil.copy(file, tmp_path)
    done = promtool("test", "rules", tmp_path / file.name)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire_and_to_be_silent() -> None:
    told = {file.stem: story(file) for file in STORIES}
    assert set(told) == {page(name) for name in alerts()}
    for name in alerts():
        moments = told[page(name)]
        assert {moment["alertname"] for moment in moments} == {name}
        assert {bool(moment["exp_alerts"]) for moment in moments} == {True, False}, name


@pytest.mark.parametrize("name", ["default", "full"])
def test_prometheus_takes_the_rules(name: str, tmp_path: Path) -> None:
    found = list(of_kind("PrometheusRule", manifests(case(name))))
    assert bool(found) == (name == "full")
    for each in found or [{"spec": yaml.safe_load(write_rules(tmp_path / "r.yaml").read_text())}]:
        file = tmp_path / "rules.yaml"
        file.write_text(yaml.safe_dump(each["spec"]))
        done = promtool("check", "rules", file)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_threshold_reaches_the_rules() -> None:
    assert re.findall(r"%\w+%", case("full")) == []
    values = yaml.safe_load((DATA / "full.values.yaml").read_text())["metrics"]["prometheusRule"]
    (rule,) = of_kind("PrometheusRule", manifests(case("full")))
    found = [each for group in rule["spec"]["groups"] for each in group["rules"]]
    words = {word for each in found for word in each["expr"].split()}
    assert {str(value) for value in values["thresholds"].values()} <= words
    for each in found:
        assert each["annotations"]["runbook_url"].startswith("https://runbooks.example/hearth/")


def test_an_alert_says_where() -> None:
    for name, rule in alerts().items():
        said = rule["annotations"]["description"]
        about = {"backend", "node", "kind", "method"} & labels_in(rule["expr"])
        assert {label for label in about if f"$labels.{label} " not in f"{said} "} == set(), name


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    pages = {file.name for file in RUNBOOKS.glob("*.md")} - {"index.md"}
    linked = {rule["annotations"]["runbook_url"].rpartition("/")[2] for rule in alerts().values()}
    assert pages == linked == {f"{page(name)}.md" for name in alerts()}
    listed = (RUNBOOKS / "index.md").read_text()
    assert [name for name in alerts() if f"[{name}]({page(name)}.md)" not in listed] == []


@pytest.mark.parametrize("name", sorted(alerts()))
def test_a_page_says_what_it_means_how_to_see_it_and_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{page(name)}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    _, seen, _ = text.split("\n## ")[1:]
    assert "```console" in seen or "```promql" in seen, "no command to see it by"


def page(name: str) -> str:
    """``HearthDiskMissing`` is explained in disk-missing.md."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name.removeprefix("Hearth")).lower()
