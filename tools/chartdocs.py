"""Writes docs/reference/chart-values.md from the comments of the chart's values.yaml.

`python -m tools.chartdocs [--check]`: so that the reference cannot say what is not so. A value without a
comment is refused, and so is a page that is stale; a test runs the check.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
VALUES = ROOT / "deploy/helm/hearth-csi/values.yaml"
PAGE = ROOT / "docs/reference/chart-values.md"
# A comment may share its line with the dash of the entry that it is the first line of.
COMMENT = re.compile(r"\s*(?P<dash>- )?# ?(?P<text>.*)")
HEAD = """\
<!-- Written by `make docs` from deploy/helm/hearth-csi/values.yaml. Change that, not this page. -->

# Values of the chart

What `helm install --values FILE` may say. A key that is not here is refused, at every level, and so is a
value that cannot be right. [Install](../guides/install.md) tells how to begin.

"""


class Undocumented(Exception):
    """Values without a comment; the message lists them."""


@dataclass(frozen=True, slots=True)
class Value:
    """A key of values.yaml. ``default`` is empty for one that only has others below it."""

    path: str
    default: str
    meaning: str


def values(text: str) -> list[Value]:
    """All of them, in their order. Raises `Undocumented`."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    found = list(_below("", root, text.splitlines())) if root else []
    if silent := [each.path for each in found if not each.meaning]:
        raise Undocumented(f"without a comment in {VALUES.name}: {', '.join(silent)}")
    return found


def page(text: str) -> str:
    """The reference page for the text of a values.yaml."""
    sections: dict[str, list[Value]] = {}
    for each in values(text):
        sections.setdefault(re.split(r"[.\[]", each.path)[0], []).append(each)
    alone = [rows[0] for rows in sections.values() if len(rows) == 1 and rows[0].default]
    parts = [_table(alone)]
    for name, rows in sections.items():
        if rows[0] not in alone:
            introduction = [each.meaning for each in rows if each.path == name]
            table = _table([each for each in rows if each.path != name])
            parts.append("\n\n".join([f"## {name}", *introduction, table]))
    return HEAD + "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str]) -> int:
    """0 if the page is written or right, 1 with the reason if not."""
    parser = argparse.ArgumentParser(prog="python -m tools.chartdocs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    given = parser.parse_args(arguments)
    try:
        wanted = page(VALUES.read_text(encoding="utf-8"))
    except Undocumented as error:
        return _complain(str(error))
    if given.check:
        is_right = PAGE.exists() and PAGE.read_text(encoding="utf-8") == wanted
        return 0 if is_right else _complain(f"{PAGE.name} is stale; run `make docs`")
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


def _below(path: str, node: yaml.Node, lines: Sequence[str]) -> Iterator[Value]:
    if isinstance(node, yaml.SequenceNode):
        yield from _below(f"{path}[]", node.value[0], lines)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        its = f"{path}.{key.value}".lstrip(".")
        meaning = _comment(key.start_mark.line, lines)
        if not _explains_itself(value, lines):
            yield Value(its, _default(value), meaning)
            continue
        if meaning:
            yield Value(its, "", meaning)
        yield from _below(its, value, lines)


def _explains_itself(node: yaml.Node, lines: Sequence[str]) -> bool:
    """Whether what is in there has comments of its own; if not, it is a value as a whole."""
    if isinstance(node, yaml.SequenceNode):
        return bool(node.value) and _explains_itself(node.value[0], lines)
    if not isinstance(node, yaml.MappingNode):
        return False
    return any(
        _comment(key.start_mark.line, lines) or _explains_itself(value, lines)
        for key, value in node.value
    )


def _comment(line: int, lines: Sequence[str]) -> str:
    """The lines of comment that end above ``line``, as one."""
    words: list[str] = []
    while line and (found := COMMENT.fullmatch(lines[line - 1])):
        words.insert(0, found["text"])
        if found["dash"]:
            break
        line -= 1
    return " ".join(words)


def _default(node: yaml.Node) -> str:
    if not node.value:
        return "empty"
    value = yaml.SafeLoader("").construct_object(node, deep=True)
    written = yaml.safe_dump(value, default_flow_style=True, width=1000, sort_keys=False)
    return f"`{written.removesuffix('...' + chr(10)).strip()}`"


def _table(rows: Sequence[Value]) -> str:
    lines = ["| key | default | meaning |", "|---|---|---|"]
    for each in rows:
        cells = (f"`{each.path}`", each.default, each.meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _complain(message: str) -> int:
    print(f"chartdocs: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
