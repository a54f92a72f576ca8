"""From a wish to what a driver is asked for: the size that is chosen, and what the source decides."""

from __future__ import annotations

from collections.abc import Mapping

from csi.controller import sizes
from csi.controller.requests import Wish
from csi.controller.sizes import Floor
from drivers.errors import Invalid, OutOfRange
from drivers.interface import VolumeDriver
from drivers.model import Content, FsType, SizeRange, Snapshot, Volume, VolumeMode, VolumeSpec


def spec(wanted: Wish, driver: VolumeDriver, source: Volume | Snapshot | None = None) -> VolumeSpec:
    """What ``driver`` is asked for, as a copy of ``source`` if there is one.

    Raises `Invalid` and `OutOfRange` for what cannot be.
    """
    options = wanted.parameters.options
    inherited = _held(wanted, source) if source else None
    properties = wanted.properties(inherited)
    floors = []
    if properties.mode is VolumeMode.FILESYSTEM:
        floors.append(sizes.filesystem_floor(FsType(properties.fs_type)))
    if source is not None:
        floors.append(Floor(source.size, f"its source {source.id}"))
    return VolumeSpec(
        name=wanted.request.name,
        size=sizes.choose(wanted.request.size, *floors, unit=_unit(driver, options)),
        properties=properties,
        options=options,
    )


def _unit(driver: VolumeDriver, options: Mapping[str, str]) -> int:
    return driver.get_volume_stats(options, refresh=False).allocation_unit


def _held(wanted: Wish, source: Volume | Snapshot) -> FsType | None:
    """The filesystem in ``source``; raises `Invalid` if another one is asked for."""
    if source.content in (Content.BLANK, Content.FORMATTING) or not source.properties.fs_type:
        return None
    held = FsType(source.properties.fs_type)
    if wanted.use.fs_type not in (None, held):
        raise Invalid(
            f"{source.id} holds {held.value}, and a copy of it is what it is: ask for fs type"
            f" {held.value}"
        )
    return held


def check_growth(driver: VolumeDriver, volume: Volume, size: SizeRange) -> None:
    """Raise `OutOfRange` if the volume would be larger than it may, once it is as large as it must."""
    unit = _unit(driver, volume.options)
    grown = max(volume.size, sizes.tellable(size.required, unit))
    if grown not in SizeRange(0, size.limit):
        raise OutOfRange(
            f"volume {volume.id} has {volume.size} bytes and would have {grown}, in units of {unit},"
            f" but only {size.limit} are allowed"
        )
