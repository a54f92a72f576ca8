"""How a driver becomes known, and why a broken one does not get that far.

A mistake in a driver should be found when it is imported, not when a customer's snapshot is asked
for. So the decorator looks at the class once and refuses it with a reason, and what the class can do
is derived from the interfaces it inherits.
"""

from __future__ import annotations

import inspect
import re
from abc import ABC
from collections.abc import Callable, Collection, Iterator, Mapping
from importlib import metadata
from types import MappingProxyType
from typing import TypeVar

import msgspec

from drivers.interface.clone import CloneDriver
from drivers.interface.group import GroupDriver
from drivers.interface.manage import ManageDriver
from drivers.interface.manage_snapshots import ManageSnapshotsDriver
from drivers.interface.revert import RevertDriver
from drivers.interface.snapshot import SnapshotDriver
from drivers.interface.volume import VolumeDriver

ENTRY_POINTS = "hearth.drivers"
REQUIRED_TEXTS = ("VERSION", "VENDOR_NAME", "CI_WIKI_NAME", "STORAGE_PROTOCOL")

Class = TypeVar("Class", bound=type[VolumeDriver])


class DriverRejected(TypeError):
    """The class cannot serve as a driver. The message names it and everything that is wrong."""


def interfaces() -> tuple[type[ABC], ...]:
    """All interfaces, the required one first."""
    return (
        VolumeDriver,
        SnapshotDriver,
        CloneDriver,
        RevertDriver,
        ManageDriver,
        ManageSnapshotsDriver,
        GroupDriver,
    )


def abilities(driver: type[VolumeDriver]) -> tuple[type[ABC], ...]:
    """The interfaces that ``driver`` implements, in the order of `interfaces`."""
    return tuple(each for each in interfaces() if issubclass(driver, each))


class Registry:
    """The drivers known by name."""

    def __init__(self) -> None:
        self._drivers: dict[str, type[VolumeDriver]] = {}

    @property
    def drivers(self) -> Mapping[str, type[VolumeDriver]]:
        """Name to class, in the order of registration."""
        return MappingProxyType(self._drivers)

    def add(self, name: str, driver: type[VolumeDriver]) -> None:
        """Take ``driver`` in under ``name``; raises `DriverRejected` with everything wrong with it."""
        if faults := [*self._name_faults(name, driver), *_faults(driver)]:
            raise DriverRejected(f"{driver.__qualname__}: " + "; ".join(faults))
        driver.NAME = name
        self._drivers[name] = driver

    def _name_faults(self, name: str, driver: type[VolumeDriver]) -> Iterator[str]:
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
            yield f"the name {name!r} is not lower-case letters, digits and dashes"
        if name in self._drivers:
            other = self._drivers[name]
            yield f"the name {name!r} is taken by {other.__module__}.{other.__qualname__}"


# The one object that outlives a call in this package: a decorator has nowhere else to put what it
# has seen. It only grows, at import.
_registry = Registry()


def volumedriver(name: str, registry: Registry = _registry) -> Callable[[Class], Class]:
    """Class decorator: register a driver under ``name``, or raise `DriverRejected` at import."""

    def register(driver: Class) -> Class:
        registry.add(name, driver)
        return driver

    return register


def load_drivers(only: Collection[str] | None = None) -> Mapping[str, type[VolumeDriver]]:
    """Import every driver that an installed distribution offers, and return all by name.

    An entry point that fails to import raises: a driver that vanishes silently is found out when its
    volumes are needed. With ``only``, entry points of other names are left alone.
    """
    for point in metadata.entry_points(group=ENTRY_POINTS):
        if only is None or point.name in only:
            point.load()
    return _registry.drivers


def _faults(driver: type[object]) -> Iterator[str]:
    if not issubclass(driver, VolumeDriver):
        yield "it does not inherit drivers.interface.VolumeDriver"
        return
    if missing := sorted(getattr(driver, "__abstractmethods__", ())):
        yield f"abstract methods left: {', '.join(missing)}"
    if not (driver.__doc__ or "").strip():
        yield "it has no docstring"
    for text in REQUIRED_TEXTS:
        if not getattr(driver, text, ""):
            yield f"{text} is missing"
    options = getattr(driver, "Options", None)
    if not (isinstance(options, type) and issubclass(options, msgspec.Struct)):
        yield "Options is not a msgspec.Struct"
    elif not options.__struct_config__.forbid_unknown_fields:
        yield "Options accepts unknown keys (set forbid_unknown_fields=True)"
    yield from _signature_faults(driver)


def _signature_faults(driver: type[VolumeDriver]) -> Iterator[str]:
    for each in abilities(driver):
        for name, method in methods(each).items():
            ours, theirs = _shape(method), _shape(getattr(driver, name))
            if ours != theirs:
                yield f"{name}{theirs} differs from {each.__name__}.{name}{ours}"


def methods(interface: type[ABC]) -> Mapping[str, Callable[..., object]]:
    """The public methods of an interface by name.

    Functions are collected by `inspect.isfunction`: on a class `inspect.ismethod` finds none, and a
    check built on it passes an empty driver.
    """
    return {
        name: value
        for name, value in vars(interface).items()
        if inspect.isfunction(value) and (not name.startswith("_") or name == "__init__")
    }


def _shape(method: object) -> inspect.Signature:
    """The signature less its annotations: names, kinds and defaults are what a caller relies on."""
    if not inspect.isfunction(method):
        return inspect.Signature([inspect.Parameter("not_a_method", inspect.Parameter.VAR_KEYWORD)])
    signature = inspect.signature(method)
    plain = [
        each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()
    ]
    return signature.replace(parameters=plain, return_annotation=inspect.Signature.empty)
