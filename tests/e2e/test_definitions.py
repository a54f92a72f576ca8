"""The custom resources of snapshots that the chart brings are those of external-snapshotter, in other words.

All other tests of this folder, and Kubernetes' own, run on ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.clusterkit.layout import Layout
from tools.clusterkit.lifecycle import SNAPSHOTS

OURS = {path.stem: path for path in SNAPSHOTS.glob("*.yaml")}
THEIRS = {
    path.stem.partition("_")[2]: path
    for path in Layout().definitions.glob("*snapshot.storage.k8s.io_*.yaml")
}
IN_WORDS = ("description", "message")
EITHER = re.compile(r"\(has\((\S+)\) && !has\((\S+)\)\) \|\| \(!has\(\1\) && has\(\2\)\)")
"""Of two fields one; there is a shorter way to say it."""


def test_each_is_there() -> None:
    assert OURS.keys() == THEIRS.keys()
    assert len(OURS) == 6


@pytest.mark.parametrize("name", OURS)
def test_it_takes_and_refuses_the_same(name: str) -> None:
    ours, theirs = contract(OURS[name]), contract(THEIRS[name])
    assert ours == theirs


def contract(path: Path) -> Mapping[str, Any]:
    """A definition in the versions that are not on their way out, without what is said in words."""
    spec = yaml.safe_load(path.read_text())["spec"]
    versions = {
        each["name"]: {**each, "storage": None}  # they store a beta version
        for each in spec["versions"]
        if each["served"] and not each.get("deprecated")
    }
    found: Mapping[str, Any] = plain({**spec, "versions": versions})
    return found


def plain(value: Any, is_field: bool = False) -> Any:
    """The same without descriptions and messages, unless a field has that name."""
    if isinstance(value, dict):
        return {
            key: plain(each, key == "properties" and not is_field)
            for key, each in value.items()
            if is_field or key not in IN_WORDS
        }
    if isinstance(value, list):
        return [plain(each) for each in value]
    return EITHER.sub(r"has(\1) != has(\2)", value) if isinstance(value, str) else value
