"""docs/reference/drivers says what the code says, and code that says nothing is refused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import msgspec
import pytest

from drivers.interface import VolumeDriver
from tools.driverdocs import reading, schema
from tools.driverdocs.__main__ import FOLDER, embedded, stale, write
from tools.driverdocs.pages import matrix, pages


def test_the_reference_pages_are_what_the_code_says() -> None:
    assert stale(pages(embedded()), FOLDER) == [], "run `make docs`"


def test_a_page_that_differs_is_missing_or_too_many_is_stale(tmp_path: Path) -> None:
    write({"one.md": "1", "two.md": "2"}, tmp_path)
    assert stale({"one.md": "1", "two.md": "2"}, tmp_path) == []
    assert stale({"one.md": "x", "three.md": "3"}, tmp_path) == ["one.md", "three.md", "two.md"]


def test_writing_removes_the_page_of_a_driver_that_is_gone(tmp_path: Path) -> None:
    write({"old.md": ""}, tmp_path)
    write({"new.md": ""}, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["new.md"]


def test_a_public_method_without_a_docstring_is_refused() -> None:
    class Silent(ABC):
        """An interface."""

        @abstractmethod
        def speak(self) -> None:
            pass

    with pytest.raises(reading.Undocumented, match=r"Silent\.speak"):
        reading.require_documents([Silent])


def test_an_option_without_a_docstring_is_found() -> None:
    class Options(msgspec.Struct):
        told: int
        """A number."""
        silent: int = 3

    assert schema.undocumented(Options) == ["silent"]


def test_a_schema_becomes_a_table_of_keys_values_and_defaults() -> None:
    class Options(msgspec.Struct, rename="camel"):
        volume_group: str
        """The group."""
        stripes: int | None = None
        """How ``many``."""

    assert schema.table(Options).splitlines()[2:] == [
        "| `volumeGroup` | text | required | The group. |",
        "| `stripes` | a whole number | none | How `many`. |",
    ]


def test_every_interface_method_has_an_entry_that_links_can_find() -> None:
    written = pages(embedded())["interfaces.md"]
    for name in VolumeDriver.__abstractmethods__:
        assert f"### {name}\n" in written


def test_the_support_matrix_follows_from_the_classes() -> None:
    assert "| [loop](loop.md) | 0.1.0 | yes | yes | yes | yes |" in matrix(embedded())
