"""What is printed: tables for people, JSON and YAML for programs, always to standard output."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from drivers.model import GIB, KIB, MIB, Capacity, Special

if TYPE_CHECKING:
    from google.protobuf.message import Message

UNITS: Mapping[str, int] = {"": 1, "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": KIB * GIB}
FORMATS = ("table", "json", "yaml")
Columns = Mapping[str, Callable[[Any], str]]
"""The heading of each column, and what stands in it for a message."""


def add_output(parser: argparse.ArgumentParser, *more: str) -> None:
    """``--output``."""
    parser.add_argument(
        "--output",
        choices=(*FORMATS, *more),
        default="table",
        help="table for people (the default), the others for programs",
    )


def print_list(form: str, messages: Iterable[Message], columns: Columns) -> None:
    """``messages`` in one of `FORMATS`, a table with ``columns``."""
    if form == "table":
        rows = [[cell(each) for cell in columns.values()] for each in messages]
        print_table(list(columns), rows)
    else:
        _print_plain(form, [plain(each) for each in messages])


def print_one(form: str, message: Message) -> None:
    """One message in one of `FORMATS`: a table with a row for each of its fields."""
    if form == "table":
        print_table(("FIELD", "VALUE"), list(_rows(plain(message))))
    else:
        _print_plain(form, plain(message))


def print_documents(documents: Iterable[Mapping[str, Any]]) -> None:
    """YAML documents, as kubectl takes them."""
    import yaml

    print(yaml.safe_dump_all(documents, explicit_start=True, sort_keys=False), end="")


def print_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table with aligned columns."""
    table = [heading, *rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        print("  ".join(cells).rstrip())


def human(capacity: Capacity) -> str:
    """A capacity for people."""
    if isinstance(capacity, Special):
        return capacity.value
    unit = next((name for name in ("TiB", "GiB", "MiB", "KiB") if capacity >= UNITS[name]), "")
    return f"{capacity / UNITS[unit]:.2f} {unit}" if unit else f"{capacity} B"


def plain(message: Message) -> dict[str, Any]:
    """The message as JSON has it: every field that has no presence of its own, numbers as numbers."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        if not field.has_presence or message.HasField(field.name):
            found[_camel(field.name)] = _value(getattr(message, field.name))
    return found


def _value(value: Any) -> Any:
    if hasattr(value, "DESCRIPTOR"):
        return plain(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, str | int | float):
        return value
    return [_value(each) for each in value]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(each.title() for each in rest)


def _rows(fields: Mapping[str, Any], within: str = "") -> Iterable[tuple[str, str]]:
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _rows(value, f"{within}{name}.")
        elif value or value == 0:
            yield f"{within}{name}", ", ".join(value) if isinstance(value, list) else str(value)


def _print_plain(form: str, value: object) -> None:
    if form == "json":
        print(json.dumps(value, indent=2))
        return
    import yaml

    print(yaml.safe_dump(value, sort_keys=False), end="")
