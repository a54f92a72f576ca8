"""What the code says about itself: docstrings of methods, of attributes and of schema fields."""

from __future__ import annotations

import ast
import inspect
import textwrap
from abc import ABC
from collections.abc import Iterable, Mapping

from drivers.interface.registration import methods


class Undocumented(Exception):
    """Public names without a docstring; the message lists all of them."""


def document(of: object) -> str:
    """The docstring, its own or inherited, as Markdown."""
    return markdown(inspect.getdoc(of) or "")


def markdown(text: str) -> str:
    """Our docstrings are Markdown but for the double backquotes of literals."""
    return text.replace("``", "`")


def attributes(owner: type[object]) -> Mapping[str, str]:
    """The docstring below each annotated attribute of a class, as Markdown; empty where none is."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101  (the source of a class is a class)
    found: dict[str, str] = {}
    for statement, after in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            found[statement.target.id] = _literal(after)
    return found


def signature(name: str, method: object) -> str:
    """A method as it is called, on one line."""
    assert callable(method)  # noqa: S101
    written = str(inspect.signature(method)).replace("'", "")
    return name + written.replace("(self, ", "(").replace("(self)", "()")


def require_documents(classes: Iterable[type[ABC]]) -> None:
    """Raise `Undocumented` if a public method, property or class here says nothing about itself."""
    silent = [
        f"{each.__module__}.{each.__qualname__}{'.' if name else ''}{name}"
        for each in classes
        for name in ("", *_public(each))
        if not (inspect.getdoc(getattr(each, name) if name else each) or "").strip()
    ]
    if silent:
        raise Undocumented("without a docstring: " + ", ".join(silent))


def _public(owner: type[ABC]) -> list[str]:
    properties = [name for name, value in vars(owner).items() if isinstance(value, property)]
    functions = [name for name in methods(owner) if not name.startswith("_")]
    return [*properties, *functions]


def _literal(statement: ast.stmt | None) -> str:
    match statement:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return markdown(" ".join(inspect.cleandoc(text).split()))
    return ""
