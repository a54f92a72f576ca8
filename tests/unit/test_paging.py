"""Pages of a list that changes while somebody turns them."""

from __future__ import annotations

import pytest

from drivers.errors import Invalid
from drivers.manageable import Manageable, Query, Reference, Sort
from drivers.paging import page

ENTRIES = [
    Manageable(Reference(name, f"uuid-{name}"), size)
    for name, size in (("c", 10), ("a", 9), ("d", 100), ("b", 10))
]


def names(entries: tuple[Manageable, ...]) -> str:
    return "".join(each.reference.name for each in entries)


@pytest.mark.parametrize(
    ("sort", "descending", "order"),
    [
        (Sort.NAME, False, "abcd"),
        (Sort.NAME, True, "dcba"),
        (Sort.SIZE, False, "abcd"),
        (Sort.SIZE, True, "dcba"),
    ],
)
def test_pages_follow_each_other(sort: Sort, order: str, *, descending: bool) -> None:
    first = page(ENTRIES, Query(sort, descending=descending, limit=3))
    assert names(first.entries) == order[:3]
    last = page(ENTRIES, Query(sort, descending=descending, limit=3, token=first.next))
    assert (names(last.entries), last.next) == (order[3:], "")
    whole = page(ENTRIES, Query(sort, descending=descending, limit=4))
    assert (names(whole.entries), whole.next) == (order, "")


def test_what_goes_between_two_pages_moves_nothing() -> None:
    first = page(ENTRIES, Query(limit=2))
    left = [each for each in ENTRIES if each.reference.name != "b"]
    assert names(page(left, Query(limit=2, token=first.next)).entries) == "cd"


@pytest.mark.parametrize("query", [Query(limit=0), Query(token="a"), Query(token="x:a")])  # noqa: S106
def test_what_is_no_page(query: Query) -> None:
    with pytest.raises(Invalid):
        page(ENTRIES, query)


def test_an_empty_list() -> None:
    assert page([], Query(limit=1)) == page([], Query())
