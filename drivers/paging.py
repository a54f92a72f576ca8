"""Cutting lists of manageable objects into pages, once for all drivers.

A token names the place after which a page begins by what the list is sorted by, not by a count: what is
made or removed meanwhile moves nothing from one page to another.
"""

from __future__ import annotations

from collections.abc import Iterable

from drivers.errors import Invalid
from drivers.manageable import Manageable, Page, Query, Sort

Key = tuple[int, str]


def page(entries: Iterable[Manageable], query: Query) -> Page:
    """The entries that ``query`` asks for; raises `Invalid` for a token or limit that makes no sense."""
    if query.limit is not None and query.limit < 1:
        raise Invalid(f"a page of {query.limit} entries is none: ask for at least one")
    rest = sorted(entries, key=lambda each: _key(each, query.sort), reverse=query.descending)
    if query.token:
        rest = [each for each in rest if _follows(_key(each, query.sort), query)]
    shown = rest[: query.limit]
    more = len(shown) < len(rest)
    return Page(tuple(shown), _token(_key(shown[-1], query.sort)) if more else "")


def _key(entry: Manageable, sort: Sort) -> Key:
    size = entry.size if sort is Sort.SIZE else 0
    return size, f"{entry.reference.name}/{entry.reference.uuid}"


def _follows(key: Key, query: Query) -> bool:
    last = _read(query.token)
    return key < last if query.descending else key > last


def _token(key: Key) -> str:
    return f"{key[0]}:{key[1]}"


def _read(token: str) -> Key:
    size, colon, name = token.partition(":")
    if not (colon and size.isascii() and size.isdigit()):
        raise Invalid(f"{token!r} is no token of a list: begin again without one")
    return int(size), name
