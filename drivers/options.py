"""Checking configuration against a schema, so that a mistake is told by its place and its remedy.

msgspec says what is wrong and where; what a person needs beside that is what would be right. Drivers
declare their options as a `msgspec.Struct`, and this is how they are read, in the node's configuration
and in a test alike.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import inspect

from drivers.errors import Invalid

Schema = TypeVar("Schema", bound=msgspec.Struct)


def check(data: object, schema: type[Schema], at: str = "$") -> Schema:
    """``data`` as an instance of ``schema``.

    Raises `Invalid` with the path below ``at`` (``$.backends[1].wipe``), the fault, and the keys or
    values that are allowed there.
    """
    try:
        return msgspec.convert(data, schema, dec_hook=_decode)
    except msgspec.ValidationError as error:
        raise Invalid(_explain(str(error), schema, at)) from None


def _decode(wanted: type[object], value: object) -> object:
    if wanted is not Path:
        raise NotImplementedError(f"options of type {wanted!r} cannot be read")
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise ValueError(f"Expected an absolute path, got {value!r}")
    path = Path(value)
    if ".." in path.parts or path == Path("/"):
        raise ValueError(f"Expected a path below / without '..', got {value!r}")
    return path


def _explain(said: str, schema: type[msgspec.Struct], at: str) -> str:
    fault, _, place = said.partition(" - at `$")
    path = place.removesuffix("`")
    here = _type_at(inspect.type_info(schema), path)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", fault):
        return f"{at}{path}.{unknown[1]}: unknown key; known here: {_names(here)}"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", fault):
        return f"{at}{path}.{missing[1]}: this key is missing"
    allowed = _values(here)
    return f"{at}{path}: {fault}" + (f"; allowed: {allowed}" if allowed else "")


def _type_at(schema: inspect.Type | None, path: str) -> inspect.Type | None:
    for key in re.findall(r"\.(\w+)|\[[^]]*\]", path):
        schema = _below(schema, key)
    return schema


def _below(schema: inspect.Type | None, key: str) -> inspect.Type | None:
    """The type under ``key``, where an empty key stands for any item."""
    match schema:
        case inspect.UnionType(types=types):
            inner = [found for each in types if (found := _below(each, key)) is not None]
            return inner[0] if inner else None
        case inspect.StructType(fields=fields):
            return next((each.type for each in fields if each.encode_name == key), None)
        case inspect.DictType(value_type=value):
            return value
        case inspect.CollectionType(item_type=item):
            return item
    return None


def _names(schema: inspect.Type | None) -> str:
    match schema:
        case inspect.StructType(fields=fields):
            return ", ".join(each.encode_name for each in fields)
        case inspect.UnionType(types=types):
            return ", ".join(filter(None, map(_names, types)))
    return ""


def _values(schema: inspect.Type | None) -> str:
    match schema:
        case inspect.EnumType(cls=cls):
            return ", ".join(str(each.value) for each in cls)
        case inspect.LiteralType(values=values):
            return ", ".join(str(each) for each in values)
        case inspect.BoolType():
            return "true, false"
        case inspect.UnionType(types=types):
            return ", ".join(filter(None, map(_values, types)))
    return ""
