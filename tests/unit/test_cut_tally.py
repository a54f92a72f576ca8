"""What the tests of cuts count: a cut proves something only if somebody wrote since the one before."""

from __future__ import annotations

from tests.cuts.group import Tally


def test_cuts_of_what_nobody_writes_to_are_found() -> None:
    tally = Tally()
    for found in ([1, 1, 1], [3, 2, 2], [3, 2, 2], [4, 4, 2], [5, 5, 5]):
        tally.add(found)
    assert tally.idle == [[3, 2, 2], [4, 4, 2]]
    assert tally.broken == [[4, 4, 2]]


def test_a_writer_that_has_not_begun_is_idle() -> None:
    tally = Tally()
    tally.add([0, 0, 0])
    assert tally.idle == [[0, 0, 0]]
