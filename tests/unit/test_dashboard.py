"""What dashboard and rules ask for exists: a query for a name that does not, answers nothing for ever."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.unit.chart import Manifest, manifests, of_kind, template
from tests.unit.prometheus import (
    DASHBOARD,
    alerts,
    dashboard,
    labels_in,
    metrics_in,
    panels,
    queries,
)
from tests.unit.scraped import Prometheus, prometheus

# They ask for a slope of hours, or for what is wrong.
MAY_BE_SILENT = {"Time to full A", "Time to full B", *alerts()}

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def scraping() -> Iterator[Prometheus]:
    with prometheus() as found:
        yield found


def test_every_name_exists(scraping: Prometheus) -> None:
    there = set(scraping.get("label/__name__/values"))
    asked = {where: metrics_in(query) for where, query in queries()}
    assert all(asked.values()), "a query is about nothing"
    assert {where: names - there for where, names in asked.items() if names - there} == {}


def test_every_label_exists(scraping: Prometheus) -> None:
    there = set(scraping.get("labels"))
    missing = {where: labels_in(query) - there for where, query in queries()}
    assert {where: labels for where, labels in missing.items() if labels} == {}


def test_every_query_is_answered(scraping: Prometheus) -> None:
    silent = {
        where
        for where, query in queries()
        if not scraping.get("query", query=query)["result"] and where not in MAY_BE_SILENT
    }
    assert silent == set()


def test_every_rule_is_evaluated_without_a_fault(scraping: Prometheus) -> None:
    groups = scraping.get("rules")["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in found} == set(alerts())
    assert [rule["lastError"] for rule in found if rule["health"] == "err"] == []


def test_what_is_told_to_be_wrong_is_seen(scraping: Prometheus) -> None:
    """The node has a degraded volume and an orphan, and nothing else that needs nobody to wait."""
    pending = {alert["labels"]["alertname"] for alert in scraping.get("alerts")["alerts"]}
    assert {"HearthRaidDegraded", "HearthOrphans"} <= pending
    assert not {"HearthDiskMissing", "HearthBackendUnhealthy", "HearthNodeUnreachable"} & pending


@pytest.mark.parametrize(
    ("expression", "metrics", "labels"),
    [
        ('sum by (a, b) (rate(x_total{c="by (d)", e!~"f"}[5m])) > 0.5', {"x_total"}, set("abce")),
        ("max without (a) (x[6h:5m]) and on (b) y offset 1h", {"x", "y"}, {"a", "b"}),
        ("histogram_quantile(0.9, sum by (le) (z_bucket)) unless r:s == 1e3", {"z_bucket", "r:s"}, {"le"}),
        ("time() - x < 3 * 86400 or vector(0)", {"x"}, set()),
    ],
)  # fmt: skip
def test_names_are_found_in_expressions(
    expression: str, metrics: set[str], labels: set[str]
) -> None:
    assert metrics_in(expression) == metrics
    assert labels_in(expression) == labels


def test_the_panels_have_places_of_their_own() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not taken & cells, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in dashboard()["panels"]}) == len(dashboard()["panels"])
    assert all(panel["targets"] for panel in panels())


def test_the_chart_hands_the_dashboard_on_as_it_is() -> None:
    (found,) = of_kind("ConfigMap", dashboards("--set", "metrics.dashboard.enabled=true"))
    assert json.loads(found["data"]["hearth-csi.json"]) == json.loads(DASHBOARD.read_text())
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboards() == []


def dashboards(*arguments: str) -> list[Manifest]:
    found = manifests(template(*arguments))
    return [each for each in found if "hearth-csi.json" in each.get("data", {})]
