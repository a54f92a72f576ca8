"""A mistake in a driver's options is told by its place, with what is allowed there."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from drivers.errors import Invalid
from drivers.options import check


class Colour(Enum):
    """A closed set."""

    RED = "red"
    BLUE = "blue"


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Options within options."""

    disk_colour: Colour = Colour.RED
    deep: list[Colour] = []


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """One of everything."""

    directory: Path = Path("/")
    maybe: Colour | None = None
    mode: Literal["fast", "slow"] = "fast"
    count: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1
    own_mount: bool = False
    inner: Inner | None = None
    named: dict[str, Inner] = {}


def test_what_fits() -> None:
    data = {
        "directory": "/srv",
        "maybe": "blue",
        "inner": {"diskColour": "blue"},
        "named": {"a": {"deep": ["red"]}},
    }
    got = check(data, Options)
    assert got.directory == Path("/srv")
    assert got.inner == Inner(Colour.BLUE)
    assert got.named == {"a": Inner(deep=[Colour.RED])}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"maybe": "green"}, "at.maybe: Invalid enum value 'green'; allowed: red, blue"),
        ({"mode": "lazy"}, "at.mode: Invalid enum value 'lazy'; allowed: fast, slow"),
        ({"count": 10}, "at.count: Expected `int` <= 9"),
        ({"ownMount": "yes"}, "at.ownMount: Expected `bool`, got `str`; allowed: true, false"),
        ({"own_mount": True}, "at.own_mount: unknown key; known here: directory, maybe, mode,"),
        ({"inner": {"x": 1}}, "at.inner.x: unknown key; known here: diskColour, deep"),
        (
            {"inner": {"diskColour": "green"}},
            "at.inner.diskColour: Invalid enum value 'green'; allowed: red, blue",
        ),
        (
            {"named": {"a": {"deep": ["red", "green"]}}},
            "at.named[...].deep[1]: Invalid enum value 'green'; allowed: red, blue",
        ),
        ({"directory": "srv"}, "at.directory: Expected an absolute path, got 'srv'"),
        ({"directory": 5}, "at.directory: Expected an absolute path, got 5"),
        (["a"], "at: Expected `object`, got `array`"),
    ],
)
def test_what_does_not(data: object, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        check(data, Options, "at")
    assert str(refused.value).startswith(message)


def test_a_type_that_cannot_be_read_is_the_driver_s_bug() -> None:
    class Odd(msgspec.Struct, forbid_unknown_fields=True):
        """Has an option that no text can be."""

        thing: complex

    with pytest.raises(NotImplementedError, match="complex"):
        check({"thing": "1"}, Odd)
