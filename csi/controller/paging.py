"""Lists in pages, whose tokens survive that objects come and go between two pages.

A page begins behind the id that its token names, whether or not that object still exists. So nothing
that stays is skipped or told twice.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from drivers.backends import is_id
from drivers.errors import Busy, Invalid


class StaleToken(Busy):
    """The token is none of ours. CSI ("ListVolumes Errors") wants ABORTED: begin the list again."""


class Identified(Protocol):
    """What a list holds."""

    @property
    def id(self) -> str: ...


Item = TypeVar("Item", bound=Identified)


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some of a list, in the order of ids. ``next`` is empty on the last page."""

    items: Sequence[Item]
    next: str = ""


@dataclass(frozen=True, slots=True)
class Where:
    """Which page is asked for: at most ``most`` items (0: all) behind the id that ``token`` is."""

    most: int = 0
    token: str = ""


def page(items: Sequence[Item], where: Where) -> Page[Item]:
    """The page of ``items``; raises `Invalid` for a negative length and `StaleToken` for a bad token."""
    if where.most < 0:
        raise Invalid(f"max_entries is {where.most}; it cannot be negative")
    if where.token and not is_id(where.token):
        raise StaleToken(f"{where.token!r} is no token of this list: begin it again without one")
    ordered = sorted(items, key=lambda item: item.id)
    rest = ordered[bisect_right(ordered, where.token, key=lambda item: item.id) :]
    if not where.most or len(rest) <= where.most:
        return Page(rest)
    return Page(rest[: where.most], rest[where.most - 1].id)
