"""Names in a sentence: some of them, and how many there are besides."""

from __future__ import annotations

from collections.abc import Collection

SHOWN = 10


def some(names: Collection[str]) -> str:
    """The first of the names in their order; a sentence with all of a large cluster's nobody reads."""
    first = ", ".join(sorted(names)[:SHOWN])
    more = len(names) - SHOWN
    return f"{first} and {more} more" if more > 0 else first or "none"
