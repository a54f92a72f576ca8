"""Writes docs/reference/custom-resources.md from the descriptions in the chart's custom resources.

`python -m tools.crddocs [--check]`: the same texts that `kubectl explain` shows. A field without a
description is refused, and so is a page that is stale; a test runs the check.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
DEFINITIONS = ROOT / "deploy/helm/hearth-csi/crds"
PAGE = ROOT / "docs/reference/custom-resources.md"
ORDER = ("VolumeImport", "VolumeRelease", "SnapshotImport", "SnapshotRelease", "Backend")
HEAD = """\
<!-- Written by `make docs` from deploy/helm/hearth-csi/crds. Change that, not this page. -->

# Custom resources

Group `hearth-csi.io/v1alpha1`. All are cluster-wide: who may create one could otherwise bind any
logical volume of any node to a namespace of his own. So grant them as you grant nodes. `kubectl explain`
shows the same texts, and `kubectl get hearth` lists all objects. [Import a volume](../guides/import.md) and
[release a volume](../guides/release.md) show their use.

The kinds are in the chart's folder `crds`. Helm makes them at an installation; no upgrade changes them, and
no uninstallation deletes them: with them, every object would go. Before an upgrade of the chart:

```console
kubectl apply --server-side --force-conflicts --filename deploy/helm/hearth-csi/crds
```
"""


class Undocumented(Exception):
    """A field without a description; the message names it."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field, by its path below spec or status."""

    path: str
    type: str
    default: str
    meaning: str


def page() -> str:
    """The page for the definitions as they are. Raises `Undocumented`."""
    found = {}
    for file in DEFINITIONS.glob("*.yaml"):
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
        found[document["spec"]["names"]["kind"]] = document["spec"]
    return HEAD + "".join(_section(kind, found[kind]) for kind in ORDER)


def _section(kind: str, spec: Mapping[str, Any]) -> str:
    schema = spec["versions"][0]["schema"]["openAPIV3Schema"]
    short = ", ".join(f"`{each}`" for each in spec["names"]["shortNames"])
    text = f"\n## {kind}\n\n{_line(schema['description'])} Short name: {short}.\n"
    for part in ("spec", "status"):
        rows = "".join(_row(each) for each in fields(schema["properties"][part], kind))
        text += f"\n| {part} | type | default | meaning |\n|---|---|---|---|\n{rows}"
    return text


def fields(schema: Mapping[str, Any], where: str, prefix: str = "") -> Iterator[Field]:
    """Every field below ``schema``, outer ones first. Raises `Undocumented`."""
    wanted = schema.get("required", ())
    for name, each in schema.get("properties", {}).items():
        path = f"{prefix}{name}"
        if "description" not in each:
            raise Undocumented(f"{where}: {path} has no description")
        yield Field(path, _type(each), _default(name, each, wanted), _line(each["description"]))
        inner = each["items"] if each["type"] == "array" else each
        mark = "[]." if each["type"] == "array" else "."
        if inner["type"] == "object":
            yield from fields(inner, where, f"{path}{mark}")


def _type(schema: Mapping[str, Any]) -> str:
    if schema["type"] == "array":
        return f"list of {_type(schema['items'])}"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    return str(schema["type"])


def _default(name: str, schema: Mapping[str, Any], wanted: Sequence[str]) -> str:
    if name in wanted:
        return "required"
    if "default" not in schema:
        return ""
    value = schema["default"]
    text = ", ".join(value) if isinstance(value, list) else value
    return f"`{str(text).lower() if isinstance(text, bool) else text}`"


def _line(text: str) -> str:
    return " ".join(text.split())


def _row(field: Field) -> str:
    return f"| `{field.path}` | {field.type} | {field.default} | {field.meaning} |\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or with ``--check`` only say whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tools.crddocs")
    parser.add_argument("--check", action="store_true", help="write nothing; 1 if it is stale")
    options = parser.parse_args(arguments)
    text = page()
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is stale: run make docs", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
