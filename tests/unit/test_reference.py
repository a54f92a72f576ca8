"""The reference pages that are written by hand miss nothing that the code has."""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from csi import cli, settings
from csi.controller import parameters
from csi.rpc import status
from drivers import errors
from drivers.interface import load_drivers
from drivers.manageable import Hindrance

REFERENCE = Path(__file__).parents[2] / "docs/reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def rows(name: str) -> dict[str, str]:
    """The rows of the page's tables by what their first cell has between backquotes."""
    found = {}
    for line in page(name).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and cells[0].endswith("`"):
            found[cells[0].strip("`")] = line
    return found


def test_every_key_of_the_configuration_is_explained_with_its_default() -> None:
    explained = rows("configuration.md")
    for field in msgspec.structs.fields(settings._File):
        assert field.encode_name in explained
        if isinstance(field.default, str | Path):
            assert f"`{field.default}`" in explained[field.encode_name]


def test_every_key_of_a_backends_heading_is_explained() -> None:
    for field in msgspec.structs.fields(settings._Heading):
        assert field.encode_name in rows("configuration.md")


def test_the_example_of_the_configuration_is_valid(tmp_path: Path) -> None:
    example = page("configuration.md").split("```yaml\n")[1].split("```")[0]
    file = tmp_path / "node.yaml"
    file.write_text(example)
    read = settings.read(file, load_drivers(), environment={})
    assert [each.name for each in read.backends] == ["fast", "scratch"]


def test_the_example_of_a_refusal_is_what_is_said(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text("node: n\nbackends: [{name: a, driver: lvm, volumeGroup: v, wipe: zeros}]\n")
    with pytest.raises(settings.BadSettings) as refused:
        settings.read(file, load_drivers(), environment={})
    said = str(refused.value).replace(str(file), "node.yaml")
    assert f"hearth: {said}\n" in page("configuration.md")


def test_every_parameter_is_explained() -> None:
    text = page("parameters.md")
    for key in (*parameters.GENERAL, *parameters.SNAPSHOT_LABELS):
        assert f"`{key}`" in text


def test_every_parameter_of_a_driver_is_explained() -> None:
    for name, driver in load_drivers().items():
        if driver.__module__.startswith("drivers."):
            for key in driver.PARAMETERS:
                assert f"`{parameters.OURS}{key}`" in page(f"drivers/{name}.md")


def test_every_error_is_explained_with_its_code() -> None:
    explained = rows("error-codes.md")
    classes = [
        each
        for _, each in inspect.getmembers(errors, inspect.isclass)
        if issubclass(each, errors.StorageError) and each is not errors.StorageError
    ]
    assert len(classes) >= 12
    for each in classes:
        code = status.CODES[next(kind for kind in each.__mro__ if kind in status.CODES)]
        assert f"| {code.name} |" in explained[each.__name__]


def test_every_reason_against_bringing_something_in_is_explained() -> None:
    text = page("error-codes.md").partition("## Why an object")[2]
    assert re.findall(r"^\| `(.+?)` \|", text, re.MULTILINE) == [each.value for each in Hindrance]


def test_every_command_and_option_is_explained() -> None:
    text = page("command-line.md")
    for words, parser in commands(cli._parser(), "hearth"):
        assert f"## {words}\n" in text
        section = text.split(f"## {words}\n")[1].split("\n## ")[0]
        for option in parser._option_string_actions:
            assert option in {"-h", "--help"} or f"| `{option}` |" in section, f"{words} {option}"


def commands(
    parser: argparse.ArgumentParser, name: str
) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The commands that do something, by the words that call them."""
    below = [each for each in parser._actions if isinstance(each, argparse._SubParsersAction)]
    if not below:
        yield name, parser
    for action in below:
        for word, child in action.choices.items():
            yield from commands(child, f"{name} {word}")
