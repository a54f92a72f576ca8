"""Lists over all nodes: node after node by name, each in its own order, in one sequence of pages.

A token is the name of a node and that node's own token, so it stays good while objects and nodes come and
go, and no page has to be remembered anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from csi.controller.paging import StaleToken
from csi.router.link import Link
from csi.router.placing import together
from drivers.errors import Invalid

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Part(Generic[Entry]):
    """Some of a node's list, and its token for the rest; empty at the end."""

    entries: Sequence[Entry]
    next: str


Ask = Callable[[Link, int, str], Part[Entry]]
"""Asks a node for at most so many entries (0: all) from a token of its own on."""


def merged(links: Sequence[Link], most: int, token: str, ask: Ask[Entry]) -> Part[Entry]:
    """At most ``most`` entries of all ``links``, in the order of their names, from ``token`` on.

    Raises `Invalid` for a negative number and `StaleToken` for a token of somebody else.
    """
    if most < 0:
        raise Invalid(f"max_entries is {most}; it cannot be negative")
    first, inner = _parsed(token)
    rest = [link for link in links if link.name >= first]
    if not most:
        parts = together(lambda link: ask(link, 0, inner if link.name == first else ""), rest)
        return Part([entry for part in parts.values() for entry in part.entries], "")
    return _page(rest, most, first, inner, ask)


def _page(links: Sequence[Link], most: int, first: str, inner: str, ask: Ask[Entry]) -> Part[Entry]:
    entries: list[Entry] = []
    for link in links:
        if len(entries) == most:
            return Part(entries, f"{link.name}/")
        part = ask(link, most - len(entries), inner if link.name == first else "")
        entries.extend(part.entries)
        if part.next:
            return Part(entries, f"{link.name}/{part.next}")
    return Part(entries, "")


def _parsed(token: str) -> tuple[str, str]:
    node, slash, inner = token.partition("/")
    if token and not (node and slash):
        raise StaleToken(f"{token!r} is no token of this list: begin it again without one")
    return node, inner
