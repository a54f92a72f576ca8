"""The static part: what can be told from the class, without a backend."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from inspect import formatannotation

import msgspec
import pytest

from drivers.compliance import (
    marks,
    test_callers,
    test_copies,
    test_devices,
    test_groups,
    test_images,
    test_manage,
    test_manage_snapshots,
    test_snapshots,
    test_volumes,
)
from drivers.interface import VolumeDriver, abilities, interfaces
from drivers.interface.registration import REQUIRED_TEXTS, methods


@pytest.fixture
def contract(driver: type[VolumeDriver]) -> Mapping[str, object]:
    """Name to method, for all interfaces that the driver implements."""
    return {name: each for found in abilities(driver) for name, each in methods(found).items()}


def test_every_method_of_every_interface_has_a_behavioural_check() -> None:
    tests = (
        *(test_volumes, test_snapshots, test_copies, test_devices, test_images, test_callers),
        *(test_manage, test_manage_snapshots, test_groups),
    )
    assert not marks.unchecked(interfaces(), tests)


def test_nothing_is_left_abstract(driver: type[VolumeDriver]) -> None:
    assert not driver.__abstractmethods__


def test_signatures_are_those_of_the_interfaces(
    driver: type[VolumeDriver], contract: Mapping[str, object]
) -> None:
    for name, method in contract.items():
        assert parameters(getattr(driver, name)) == parameters(method), name


def test_what_is_annotated_is_annotated_alike(
    driver: type[VolumeDriver], contract: Mapping[str, object]
) -> None:
    for name, method in contract.items():
        ours, theirs = hints(method), hints(getattr(driver, name))
        if name == "__init__":  # it gets what was checked against its own Options
            del ours["options"]
        assert {key: theirs.get(key, ours[key]) for key in ours} == ours, name


def test_every_method_is_overridden(
    driver: type[VolumeDriver], contract: Mapping[str, object]
) -> None:
    for name, method in contract.items():
        if getattr(method, "__isabstractmethod__", False):
            assert inspect.unwrap(getattr(driver, name)) is not method, name


def test_no_method_is_nearly_one_of_the_contract(driver: type[VolumeDriver]) -> None:
    """A public method that no interface has is dead, or the misspelt name of one that it has."""
    known = {name for each in interfaces() for name in dir(each)}
    own = {name for name, value in members(driver) if not name.startswith("_")}
    assert own <= known, f"no interface has {sorted(own - known)}; let their names begin with _"


def test_the_driver_and_its_methods_are_documented(driver: type[VolumeDriver]) -> None:
    assert (driver.__doc__ or "").strip(), "the class has no docstring"
    assert driver.__doc__ != VolumeDriver.__doc__
    for name, value in members(driver):
        if not name.startswith("_"):
            assert inspect.getdoc(getattr(driver, name)), f"{name}, {value} has no docstring"


@pytest.mark.parametrize("name", REQUIRED_TEXTS)
def test_the_attributes_are_texts(driver: type[VolumeDriver], name: str) -> None:
    value = getattr(driver, name)
    assert isinstance(value, str)
    assert value.strip()


def test_the_version_has_three_numbers(driver: type[VolumeDriver]) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+([-+.][0-9A-Za-z.+-]+)?", driver.VERSION)


def test_the_name_is_the_registered_one(driver: type[VolumeDriver]) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]{0,30}", driver.NAME)


def test_options_refuse_unknown_keys(driver: type[VolumeDriver]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no-such-option": 1}, driver.Options)


def test_options_cannot_be_changed_after_the_check(driver: type[VolumeDriver]) -> None:
    assert driver.Options.__struct_config__.frozen


def test_parameters_are_names_with_their_values(driver: type[VolumeDriver]) -> None:
    for key, values in driver.PARAMETERS.items():
        assert re.fullmatch(r"[a-z][a-z0-9-]*", key), f"{key!r} is no name of a parameter"
        assert isinstance(values, tuple), f"the values of {key} are no tuple"
        assert all(value for value in values), key


def parameters(method: object) -> list[tuple[str, object, object]]:
    """Names, kinds and defaults: what a caller relies on."""
    assert callable(method)
    return [
        (each.name, each.kind, each.default)
        for each in inspect.signature(method).parameters.values()
    ]


def hints(method: object) -> dict[str, str]:
    """Parameter to its annotation as written, whichever way its names were imported."""
    assert callable(method)
    found = inspect.get_annotations(inspect.unwrap(method))
    return {
        name: re.sub(r"\b\w+\.", "", value if isinstance(value, str) else formatannotation(value))
        for name, value in found.items()
        if name != "return"
    }


def members(driver: type[VolumeDriver]) -> list[tuple[str, object]]:
    """What the driver's own classes define that can be called, or read like a method."""
    ours = [each for each in driver.__mro__ if each not in {*interfaces(), object}]
    return [
        (name, value)
        for each in ours
        for name, value in vars(each).items()
        if inspect.isfunction(value) or isinstance(value, property)
    ]
