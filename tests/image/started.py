"""Which programs the code may start, read from the code: a list beside it would be forgotten one day."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
# What those programs start themselves.
BY_OTHERS = {
    "thin_check": "lvm, before it activates a thin pool",
    "modprobe": "lvm, for a target that the kernel has not loaded",
    "xfs_db": "xfs_admin, which is a script",
    "sh": "that script, and whoever looks into a pod",
    "dmsetup": "people whom a message sends there",
    "wipefs": "people whom a message sends there",
}


def programs() -> list[str]:
    """All of them, whoever starts them."""
    files = [path for name in ("csi", "drivers") for path in (CHECKOUT / name).rglob("*.py")]
    product = [path for path in files if "compliance" not in path.parts]
    return sorted({name for path in product for name in _of_file(path)} | set(BY_OTHERS))


def _of_file(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.List):
            yield from _of_words(node.elts)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "tool":
            yield from _strings(node.args[1:2])


def _of_words(words: list[ast.expr]) -> Iterator[str]:
    """An argument vector is a list that begins with a name, and has an option in it."""
    strings = list(_strings(words))
    first = list(_strings(words[:1]))
    if first and not first[0].startswith("-") and any(word.startswith("-") for word in strings):
        yield from first


def _strings(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
