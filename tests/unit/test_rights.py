"""The page of rights tells every right that the chart gives, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.unit.chart import ROOT, case, manifests

PAGE = ROOT / "docs/reference/rights-and-ports.md"
CONTROLLER = {"router", "sidecars", "provisioner", "resizer", "snapshotter"}
Right = tuple[str, str, frozenset[str]]
"""Whose, for what, and which verbs."""


def documented() -> Iterator[Right]:
    for line in PAGE.read_text().splitlines():
        cells = [re.sub(" [¹²³]", "", cell.strip()) for cell in line.strip("|").split(" | ")]
        if len(cells) == 5 and cells[1] in ("cluster", "namespace"):
            who, where, resources, verbs, why = cells
            assert why, line
            shared = where == "namespace" and who in CONTROLLER
            for resource in resources.split(", "):
                yield f"{where} {'controller' if shared else who}", resource, words(verbs)


def words(verbs: str) -> frozenset[str]:
    return frozenset(verbs.split(", "))


def given(name: str) -> Iterator[Right]:
    for each in manifests(case(name)):
        if each["kind"] in ("Role", "ClusterRole"):
            where = "namespace" if each["kind"] == "Role" else "cluster"
            who = each["metadata"]["name"].rpartition(":")[2].removeprefix("storage-")
            for rule in each["rules"]:
                for resource in rule["resources"]:
                    yield f"{where} {who}", resource, frozenset(rule["verbs"])


def test_the_page_tells_every_right_of_the_full_case() -> None:
    told, all_of_them = set(documented()), set(given("full"))
    assert sorted(map(str, all_of_them - told)) == [], "given, and not told"
    assert sorted(map(str, told - all_of_them)) == [], "told, and not given"
