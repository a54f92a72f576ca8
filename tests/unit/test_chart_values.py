"""A mistake in the chart's values is refused before anything is installed, and the message says where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import yaml

from drivers.interface import load_drivers
from tests.unit.chart import CHART, DATA, helm
from tools import chartdocs

BACKEND = {"name": "b", "driver": "lvm", "volumeGroup": "vg"}
CLASS = {"name": "c", "backend": "b"}
COMPONENT = "app.kubernetes.io/component"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
OS = "kubernetes.io/os"


def group(**changes: Any) -> dict[str, Any]:
    return {"nodeGroups": [{"name": "g", "backends": [BACKEND], **changes}]}


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("a key that there is not", {"nodegroups": []}, "'nodegroups' not allowed"),
    ("one level down", {"image": {"name": "x"}}, "at '/image': additional properties 'name'"),
    ("a sidecar's", {"sidecars": {"resizer": {"threads": 1}}}, "/sidecars/resizer"),
    ("a group's", group(backend=[]), "at '/nodeGroups/0': additional properties 'backend'"),
    (
        "a backend's",
        group(backends=[{**BACKEND, "volumegroup": "x"}]),
        "at '/nodeGroups/0/backends/0': additional properties 'volumegroup'",
    ),
    ("a class's", {"storageClasses": [{**CLASS, "fstype": "xfs"}]}, "'fstype' not allowed"),
    ("no storage", group(backends=[]), "at '/nodeGroups/0/backends': minItems"),
    ("no volume group", group(backends=[{"name": "b", "driver": "lvm"}]), "'volumeGroup'"),
    ("a name that is none", group(name="Fast Disks"), "at '/nodeGroups/0/name'"),
    ("a layout", {"storageClasses": [{**CLASS, "layout": "raid5"}]}, "/storageClasses/0/layout"),
    ("a directory", {"kubeletDirectory": "var/lib/kubelet"}, "at '/kubeletDirectory'"),
    ("a driver's name", {"driver": {"name": "Hearth"}}, "at '/driver/name'"),
    ("a port", {"node": {"ports": {"grpc": 98100}}}, "at '/node/ports/grpc': maximum"),
    ("a mode", {"tls": {"mode": "none"}}, "at '/tls/mode': value must be one of"),
    ("an image", {"sidecars": {"resizer": {"image": "csi-resizer"}}}, "/sidecars/resizer/image"),
    (
        "the chart's own parameter",
        {"storageClasses": [{**CLASS, "parameters": {"hearth-csi.io/class": "x"}}]},
        "invalid propertyName 'hearth-csi.io/class'",
    ),
    *(
        (
            f"what a value of its own says, {key}",
            {"storageClasses": [{**CLASS, "parameters": {key: "x"}}]},
            key,
        )
        for key in (
            "hearth-csi.io/layout",
            "csi.storage.k8s.io/fstype",
            "hearth-csi.io/mkfs-options",
        )
    ),
    (
        "a default, twice",
        {"storageClasses": [{**CLASS, "annotations": {DEFAULT_CLASS: "x"}}]},
        DEFAULT_CLASS,
    ),
    (
        "two pods on a node",
        {"node": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}},
        "maxSurge",
    ),
    ("the system, twice", group(nodeSelector={OS: "linux"}), OS),
    ("the same for others", {"controller": {"nodeSelector": {OS: "linux"}}}, OS),
    ("a label of the chart", {"commonLabels": {COMPONENT: "x"}}, COMPONENT),
    *(
        (f"a label of the chart, {part}", {part: {"podLabels": {COMPONENT: "x"}}}, COMPONENT)
        for part in ("node", "controller", "operator")
    ),
    (
        "a note of the chart",
        {"node": {"podAnnotations": {"hearth-csi.io/config": "x"}}},
        "hearth-csi.io/config",
    ),
]
REFUSED_BY_TEMPLATES: list[tuple[str, dict[str, Any], str]] = [
    (
        "two groups of one name",
        {"nodeGroups": 2 * group()["nodeGroups"]},
        'nodeGroups: two entries are called "g"',
    ),
    (
        "two backends of one name",
        group(backends=[BACKEND, BACKEND]),
        'nodeGroups[g].backends: two entries are called "b"',
    ),
    (
        "no Secret",
        {"tls": {"mode": "existingSecret"}, "operator": {"enabled": False}},
        "tls.existingSecret.node: with tls.mode existingSecret this must name a Secret",
    ),
]


@pytest.mark.parametrize(
    ("values", "said"),
    [each[1:] for each in REFUSED + REFUSED_BY_TEMPLATES],
    ids=[each[0] for each in REFUSED + REFUSED_BY_TEMPLATES],
)
def test_what_is_refused(values: dict[str, Any], said: str) -> None:
    assert said in refusal(values)


def test_a_driver_of_another_distribution_has_options_of_its_own() -> None:
    values = group(backends=[{"name": "b", "driver": "toy", "shelves": 3}])
    done = helm("template", "hearth", str(CHART), "--values", "-", values=values)
    assert done.returncode == 0, done.stderr


def test_a_long_name_is_refused_rather_than_cut_off() -> None:
    done = helm("template", 31 * "x", str(CHART))
    assert "at most 30 fit: set fullnameOverride" in done.stderr


@pytest.mark.parametrize("name", ["lvm", "loop"])
def test_the_schema_has_the_options_of_each_driver(name: str) -> None:
    options = {field.encode_name for field in msgspec.structs.fields(load_drivers()[name].Options)}
    assert set(schema()["definitions"][name]["properties"]) == options | {"name", "driver"}


def test_no_object_in_the_schema_lets_unknown_keys_through() -> None:
    """But a backend's, whose keys are those of its driver, which may be of another distribution."""
    open_ones = [
        each
        for each in objects(schema())
        if "properties" in each and each.get("additionalProperties") is not False
    ]
    conditions = [each["if"] for each in schema()["definitions"]["backend"]["allOf"]]
    assert all(each in [schema()["definitions"]["backend"], *conditions] for each in open_ones)


def test_the_schema_has_exactly_the_values_that_are_documented() -> None:
    documented = {each.path for each in chartdocs.values((CHART / "values.yaml").read_text())}
    leaves = set(described("", schema()))
    assert leaves - documented == {"global", "snapshotCRDs.global"}, "Helm's own"
    assert {each.path for each in leaf_values()} <= leaves


def test_the_full_case_uses_every_value() -> None:
    (full,) = yaml.safe_load_all((DATA / "full.values.yaml").read_text())
    spoken = set(used("", full))
    silent = {each.path for each in leaf_values() if each.path not in spoken}
    # With certManager there is no Secret to name.
    assert silent == {
        "tls.existingSecret.node",
        "tls.existingSecret.controller",
        "tls.existingSecret.operator",
    }


def refusal(values: dict[str, Any]) -> str:
    done = helm("template", "hearth", str(CHART), "--values", "-", values=values)
    assert done.returncode != 0
    return done.stderr


def schema() -> dict[str, Any]:
    read: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return read


def objects(part: object) -> Iterator[dict[str, Any]]:
    """Every JSON object within, the schemas among them."""
    if isinstance(part, dict):
        yield part
    children = part.values() if isinstance(part, dict) else part if isinstance(part, list) else ()
    for child in children:
        yield from objects(child)


def leaf_values() -> list[chartdocs.Value]:
    """Those that hold something themselves."""
    return [each for each in chartdocs.values((CHART / "values.yaml").read_text()) if each.default]


def described(path: str, part: dict[str, Any]) -> list[str]:
    """The paths that a schema allows, written as the documentation does, as deep as keys are fixed."""
    part = followed(part)
    if "items" in part and followed(part["items"]).get("properties"):
        return described(f"{path}[]", part["items"])
    return [
        found
        for name, child in part.get("properties", {}).items()
        for found in described(f"{path}.{name}".lstrip("."), child)
    ] or [path]


def followed(part: dict[str, Any]) -> dict[str, Any]:
    """What a reference means; nothing for what other documents explain: drivers' and Kubernetes'."""
    name = part.get("$ref", "").rpartition("/")[2]
    if name in {"backend", "resources", "secretReference", "updateStrategy"}:
        return {}
    found: dict[str, Any] = schema()["definitions"][name] if name else part
    return found


def used(path: str, value: object) -> list[str]:
    """The paths that a value says something about, as the documentation writes them."""
    found = [path]
    if isinstance(value, dict):
        for name, child in value.items():
            found += used(f"{path}.{name}".lstrip("."), child)
    if isinstance(value, list):
        for child in value:
            found += used(f"{path}[]", child)
    return found
