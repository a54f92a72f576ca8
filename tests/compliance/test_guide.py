"""The guide for driver authors shows what works: its toy passes the kit, and is the one on the page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.compliance.kit import TOY, run_toy

PAGE = TOY.parents[1] / "docs" / "guides" / "write-a-driver.md"
pytestmark = pytest.mark.timeout(600)

LONGEST = 80
"""The lines that the toy's class may have and still be called small."""


@pytest.mark.parametrize(
    ("language", "file"), [("python", "hearth_toy.py"), ("toml", "pyproject.toml")]
)
def test_the_page_shows_the_file(language: str, file: str) -> None:
    assert blocks(language) == [(TOY / file).read_text()]


def test_the_toy_of_the_page_passes_the_kit(tmp_path: Path) -> None:
    (tmp_path / "hearth_toy.py").write_text(blocks("python")[0])
    verdict = run_toy(tmp_path)
    assert verdict.status == 0, verdict.output
    assert "test_volumes.py" in verdict.output
    assert "killed at" in verdict.output


def test_the_toy_is_small() -> None:
    _, _, driver = blocks("python")[0].partition("@interface.volumedriver")
    assert len([line for line in driver.splitlines() if line.strip()]) <= LONGEST


def blocks(language: str) -> list[str]:
    """The fenced blocks of the page in that language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
