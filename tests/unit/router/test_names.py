"""Names in a sentence."""

from __future__ import annotations

from csi.router.names import some


def test_a_sentence_names_ten_at_most_and_says_how_many_more() -> None:
    assert some([]) == "none"
    assert some({"b": 1, "a": 2}) == "a, b"
    assert some([f"n{number:03}" for number in range(300)]).endswith("n009 and 290 more")
