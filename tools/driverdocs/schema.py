"""How a configuration schema is written for people: key, type, default, meaning."""

from __future__ import annotations

from enum import Enum
from functools import singledispatch
from pathlib import Path

import msgspec
from msgspec import inspect

from tools.driverdocs.reading import attributes


def table(schema: type[msgspec.Struct]) -> str:
    """A Markdown table of the keys of ``schema`` in its order."""
    documents = attributes(schema)
    rows = ["| key | value | default | meaning |", "|---|---|---|---|"]
    described = inspect.type_info(schema)
    assert isinstance(described, inspect.StructType)  # noqa: S101
    for field, name in zip(described.fields, schema.__struct_fields__, strict=True):
        cells = (
            f"`{field.encode_name}`",
            describe(field.type),
            _default(field),
            documents.get(name, ""),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows)


def undocumented(schema: type[msgspec.Struct]) -> list[str]:
    """The fields of a schema that nobody explains."""
    documents = attributes(schema)
    return [name for name in schema.__struct_fields__ if not documents.get(name)]


@singledispatch
def describe(kind: inspect.Type) -> str:
    """The values a type allows, in words."""
    return type(kind).__name__.removesuffix("Type").lower()


@describe.register
def _(kind: inspect.BoolType) -> str:
    return "`true` or `false`"


@describe.register
def _(kind: inspect.IntType) -> str:
    return f"a whole number{_bounds(kind)}"


@describe.register
def _(kind: inspect.FloatType) -> str:
    return f"a number{_bounds(kind)}"


@describe.register
def _(kind: inspect.StrType) -> str:
    return f"text matching `{kind.pattern}`" if kind.pattern else "text"


@describe.register
def _(kind: inspect.EnumType) -> str:
    return ", ".join(f"`{each.value}`" for each in kind.cls)


@describe.register
def _(kind: inspect.LiteralType) -> str:
    return ", ".join(f"`{each}`" for each in kind.values)


@describe.register
def _(kind: inspect.CustomType) -> str:
    return "an absolute path" if issubclass(kind.cls, Path) else kind.cls.__name__


@describe.register
def _(kind: inspect.UnionType) -> str:
    return " or ".join(describe(e) for e in kind.types if not isinstance(e, inspect.NoneType))


@describe.register
def _(kind: inspect.CollectionType) -> str:
    return f"a list of: {describe(kind.item_type)}"


def _bounds(kind: inspect.IntType | inspect.FloatType) -> str:
    limits = {"at least": kind.ge, "above": kind.gt, "at most": kind.le, "below": kind.lt}
    told = [f"{word} {limit}" for word, limit in limits.items() if limit is not None]
    return f", {', '.join(told)}" if told else ""


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    match field.default:
        case None:
            return "none"
        case bool() as truth:
            return f"`{str(truth).lower()}`"
        case Enum() as chosen:
            return f"`{chosen.value}`"
        case () | msgspec.NODEFAULT:
            return "empty"
    return f"`{field.default}`"
