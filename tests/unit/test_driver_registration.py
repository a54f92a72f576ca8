"""Each reason for which a class is refused as a driver, told when it is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from drivers.interface import (
    CloneDriver,
    DriverRejected,
    GroupDriver,
    ManageDriver,
    ManageSnapshotsDriver,
    Registry,
    RevertDriver,
    SnapshotDriver,
    VolumeDriver,
    abilities,
    interfaces,
    load_drivers,
    volumedriver,
)
from drivers.interface.registration import methods
from drivers.lvm.driver import LvmDriver
from tests.fakes.memory import MemoryDriver, PlainDriver


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Options that refuse unknown keys."""


class Loose(msgspec.Struct):
    """Options that do not."""


def built(**changes: Any) -> type[VolumeDriver]:
    """A class that is right, apart from ``changes``; None takes something away."""
    made: dict[str, Any] = {
        name: getattr(PlainDriver, name) for name in methods(VolumeDriver) if name != "__init__"
    }
    made |= {
        "__doc__": "A driver.",
        "VERSION": "1.0.0",
        "VENDOR_NAME": "nobody",
        "CI_WIKI_NAME": "docs",
        "STORAGE_PROTOCOL": "local",
        "Options": Strict,
        "backend_id": property(lambda self: "x"),
        **changes,
    }
    return type("Built", (VolumeDriver,), {k: v for k, v in made.items() if v is not None})


def register(driver: Any, name: str = "built", registry: Registry | None = None) -> None:
    volumedriver(name, registry or Registry())(driver)


def test_a_right_one_is_known_by_its_name() -> None:
    registry = Registry()
    driver = built()
    register(driver, "built", registry)
    assert registry.drivers == {"built": driver}
    assert driver.NAME == "built"


def loses_an_argument(self: object, volume_id: str) -> None: ...


def renames_an_argument(self: object, identifier: str, new_size: int) -> None: ...


def has_another_default(self: object, options: dict[str, str], *, refresh: bool = True) -> None: ...


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no driver": (lambda: type("Other", (), {"__doc__": "x"}), "does not inherit"),
    "a method is missing": (
        lambda: built(extend_volume=None, list_volumes=None),
        "abstract methods left: extend_volume, list_volumes",
    ),
    "no docstring": (lambda: built(__doc__=""), "no docstring"),
    "no version": (lambda: built(VERSION=""), "VERSION is missing"),
    "no vendor": (lambda: built(VENDOR_NAME=""), "VENDOR_NAME is missing"),
    "no page of test results": (lambda: built(CI_WIKI_NAME=""), "CI_WIKI_NAME is missing"),
    "no protocol": (lambda: built(STORAGE_PROTOCOL=""), "STORAGE_PROTOCOL is missing"),
    "no options": (lambda: built(Options=None), "Options is not a msgspec.Struct"),
    "options of another kind": (lambda: built(Options=dict), "Options is not a msgspec.Struct"),
    "options that take anything": (lambda: built(Options=Loose), "accepts unknown keys"),
    "an argument less": (
        lambda: built(extend_volume=loses_an_argument),
        r"extend_volume\(self, volume_id\) differs from VolumeDriver.extend_volume",
    ),
    "another name of an argument": (
        lambda: built(extend_volume=renames_an_argument),
        r"extend_volume\(self, identifier, new_size\) differs",
    ),
    "a default that there is not": (
        lambda: built(get_volume_stats=has_another_default),
        "get_volume_stats.*differs",
    ),
    "no method at all": (lambda: built(close=property(lambda self: None)), "close.*differs"),
}


@pytest.mark.parametrize(("make", "reason"), WRONG.values(), ids=WRONG)
def test_a_wrong_one_is_refused_with_its_reason(make: Callable[[], Any], reason: str) -> None:
    registry = Registry()
    with pytest.raises(DriverRejected, match=reason):
        register(make(), "built", registry)
    assert registry.drivers == {}


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(DriverRejected) as caught:
        register(built(VERSION="", VENDOR_NAME="", __doc__=""), "Wrong Name")
    told = str(caught.value)
    assert "Built: " in told
    assert all(word in told for word in ("Wrong Name", "docstring", "VERSION", "VENDOR_NAME"))


@pytest.mark.parametrize("name", ["", "LVM", "1st", "-x", "a_b", "a b", "x" * 32, "lvm\n", "a.b"])
def test_a_name_that_cannot_stand_in_a_configuration(name: str) -> None:
    with pytest.raises(DriverRejected, match="lower-case letters, digits and dashes"):
        register(built(), name)


def test_a_name_that_is_taken_tells_by_whom() -> None:
    registry = Registry()
    first = built()
    register(first, "built", registry)
    with pytest.raises(DriverRejected, match=r"is taken by .*Built"):
        register(built(), "built", registry)
    assert registry.drivers == {"built": first}


def test_annotations_are_no_part_of_a_signature() -> None:
    def close(self: Any) -> Any: ...

    register(built(close=close))


def test_an_optional_interface_is_held_to_its_signatures_too() -> None:
    class Snapshots(MemoryDriver):
        """A driver whose snapshots are deleted by another name."""

        def delete_snapshot(self, identifier: str) -> None:
            """Delete it."""

    with pytest.raises(DriverRejected, match=r"delete_snapshot.*differs from SnapshotDriver"):
        register(Snapshots)


def test_what_a_driver_can_do_follows_from_what_it_inherits() -> None:
    assert abilities(LvmDriver) == interfaces()
    assert abilities(MemoryDriver) == interfaces()[:4]
    assert abilities(PlainDriver) == (VolumeDriver,)
    assert interfaces() == (
        VolumeDriver,
        SnapshotDriver,
        CloneDriver,
        RevertDriver,
        ManageDriver,
        ManageSnapshotsDriver,
        GroupDriver,
    )


def test_the_methods_of_an_interface_are_found() -> None:
    """On a class `inspect.ismethod` finds nothing, and a check built on it passes everything."""
    assert len(methods(VolumeDriver)) > 10
    assert "create_snapshot" in methods(SnapshotDriver)


def test_the_drivers_of_the_distribution_are_loaded_by_name() -> None:
    loaded = load_drivers()
    assert {"lvm", "loop"} <= set(loaded)
    assert [driver.NAME for driver in loaded.values()] == list(loaded)
    with pytest.raises(TypeError):
        loaded["x"] = PlainDriver  # type: ignore[index]
