"""What guides and tutorials tell people to apply is what the examples and the kinds really are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.chart import CHART, ROOT

DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
PAGES = sorted([*DOCS.glob("guides/*.md"), *DOCS.glob("tutorial/*.md")])
TUTORIAL = DOCS / "tutorial/from-lvcreate.md"
GROUP = "hearth-csi.io/"


def manifests(page: Path) -> Iterator[Mapping[str, Any]]:
    """The documents of a page that are objects of a kind of ours."""
    for block in re.findall(
        r"^( *)```yaml\n(.*?)^\1```", page.read_text(), re.MULTILINE | re.DOTALL
    ):
        for found in yaml.safe_load_all(block[1]):
            if str((found or {}).get("apiVersion", "")).startswith(GROUP):
                yield found


@cache
def schemas() -> Mapping[str, Any]:
    """The schema of each kind's specification."""
    found = [yaml.safe_load(file.read_text()) for file in (CHART / "crds").glob("*.yaml")]
    return {
        each["spec"]["names"]["kind"]: each["spec"]["versions"][0]["schema"]["openAPIV3Schema"][
            "properties"
        ]["spec"]
        for each in found
    }


def faults(value: Any, schema: Mapping[str, Any], where: str) -> Iterator[str]:
    """What an API server would refuse: fields that there are not, or that are missing, or of another type."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "integer": int}
    if not isinstance(value, kinds[schema["type"]]):
        yield f"{where} is no {schema['type']}"
    elif isinstance(value, dict):
        known = schema["properties"]
        yield from (f"{where}.{key} is not known" for key in value.keys() - known.keys())
        yield from (
            f"{where}.{key} is missing" for key in set(schema.get("required", ())) - set(value)
        )
        for key in value.keys() & known.keys():
            yield from faults(value[key], known[key], f"{where}.{key}")
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where} is {value}, not one of {schema['enum']}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_would_be_taken(page: Path) -> None:
    for each in manifests(page):
        assert list(faults(each["spec"], schemas()[each["kind"]], each["kind"])) == []


def test_pages_show_something() -> None:
    shown = {each["kind"] for page in PAGES for each in manifests(page)}
    assert shown == {"VolumeImport", "VolumeRelease"}


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"node": "n1"}, "VolumeRelease.node is not known"),
        ({}, "VolumeRelease.claim is missing"),
        ({"claim": {"namespace": "a", "name": 1}}, "VolumeRelease.claim.name is no string"),
    ],
)
def test_a_page_that_is_wrong_would_be_found(spec: Mapping[str, Any], told: str) -> None:
    assert told in list(faults(spec, schemas()["VolumeRelease"], "VolumeRelease"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(r"examples/[a-z/-]+\.yaml", page.read_text()))
    assert {each for each in named if not (ROOT / each).is_file()} == set()


def test_the_tutorial_goes_through_every_example_of_an_import() -> None:
    text = TUTORIAL.read_text()
    files = sorted((EXAMPLES / "import").glob("*.yaml"))
    assert [each.name for each in files if f"examples/import/{each.name}" not in text] == []


def test_the_tutorial_tries_exactly_what_it_then_does() -> None:
    [tried] = manifests(TUTORIAL)
    done = yaml.safe_load((EXAMPLES / "import/volume.yaml").read_text())
    assert tried["spec"].pop("dryRun") is True
    assert tried == done
