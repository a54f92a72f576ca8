"""What the sanity tests allow to be skipped is what the documentation lists, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

from tests.sanity.absent import capabilities

PAGE = Path(__file__).parents[2] / "docs/reference/csi-sanity.md"


def test_the_absent_capabilities_are_the_documented_ones() -> None:
    listed = set(re.findall(r"^\| ([A-Z_]{5,}) \|", PAGE.read_text(), re.MULTILINE))
    assert listed == set(capabilities(alpha=False, groups=False))


def test_alpha_takes_away_only_what_is_listed_as_alpha() -> None:
    alpha = PAGE.read_text().partition("Without `--alpha`")[2]
    listed = set(re.findall(r"^\| ([A-Z_]{5,}) \|", alpha, re.MULTILINE))
    without, with_alpha = (set(capabilities(alpha=each, groups=False)) for each in (False, True))
    assert listed == without - with_alpha
