"""Which test checks which method, so that a method without a check is seen."""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Iterable
from types import ModuleType

import pytest

from drivers.interface import interfaces
from drivers.interface.registration import methods

# These are not abstract, but a driver may replace them.
REPLACEABLE = frozenset({"copy_image_to_volume", "copy_volume_to_image", "volumes_in_use"})

DEATHS = "deaths"
"""The property of a crash test that tells at how many points it killed the driver."""


def checks(*names: str) -> pytest.MarkDecorator:
    """Mark a test as a behavioural check of these methods; it must call each of them."""
    return pytest.mark.checks(*names)


def claimed(marks: Iterable[pytest.Mark]) -> frozenset[str]:
    """The methods named in the marks."""
    return frozenset(name for mark in marks if mark.name == "checks" for name in mark.args)


def required(interface: type[ABC]) -> frozenset[str]:
    """The members of an interface that need a check."""
    return interface.__abstractmethods__ | (REPLACEABLE & methods(interface).keys())


def unchecked(among: Iterable[type[ABC]], modules: Iterable[ModuleType]) -> list[str]:
    """``Interface.method`` for each member that no test of ``modules`` claims to check."""
    found = frozenset(name for module in modules for name in _claimed_in(module))
    return [
        f"{interface.__name__}.{name}"
        for interface in among
        for name in sorted(required(interface) - found)
    ]


def needed(names: Iterable[str]) -> frozenset[type[ABC]]:
    """The interfaces that have these members; a name that none has is a mistake in the kit."""
    owners = {name: each for each in interfaces() for name in required(each)}
    return frozenset(owners[name] for name in names)


def _claimed_in(module: ModuleType) -> Iterable[str]:
    for name, test in inspect.getmembers(module, inspect.isfunction):
        if name.startswith("test_"):
            yield from claimed(getattr(test, "pytestmark", []))
