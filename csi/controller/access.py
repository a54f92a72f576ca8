"""How a volume wants to be used, and which of these wishes local storage can serve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.errors import Invalid
from drivers.model import FsType, VolumeMode

MODES = (
    "SINGLE_NODE_WRITER",
    "SINGLE_NODE_READER_ONLY",
    "SINGLE_NODE_SINGLE_WRITER",
    "SINGLE_NODE_MULTI_WRITER",
)
"""The access modes of storage that one node reaches, in CSI's words."""


DEFAULT_FILESYSTEM = FsType.EXT4

CheckFlags = Callable[[FsType, Sequence[str]], object]
"""Raises `Invalid` for a mount flag that the node would refuse."""


@dataclass(frozen=True, slots=True)
class Access:
    """One volume capability. ``fs_type`` is empty where the caller leaves it to us, or for a device."""

    mode: VolumeMode
    access_mode: str
    fs_type: str = ""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """What several capabilities come to. ``fs_type`` is None where nobody named one, or for a device."""

    mode: VolumeMode
    fs_type: FsType | None
    access_modes: tuple[str, ...]


def agree(accesses: Sequence[Access], fs_type: FsType | None = None) -> Use:
    """The one use that serves all ``accesses`` and the ``fs_type`` of the StorageClass.

    Raises `Invalid` for an access mode of many nodes, a filesystem that is not known, or capabilities
    that exclude each other.
    """
    for access in accesses:
        _check_mode(access.access_mode)
    modes = {access.mode for access in accesses}
    if len(modes) != 1:
        raise Invalid("a volume is either a filesystem or a block device: ask for one of the two")
    mode, told = modes.pop(), tuple(sorted({access.access_mode for access in accesses}))
    if mode is VolumeMode.BLOCK:
        return Use(mode, None, told)
    types = {filesystem(access.fs_type) for access in accesses if access.fs_type}
    types |= {fs_type} if fs_type else set()
    if len(types) > 1:
        names = ", ".join(sorted(each.value for each in types))
        raise Invalid(f"a volume has one filesystem, but several are asked for: {names}")
    return Use(mode, next(iter(types), None), told)


def filesystem(name: str) -> FsType:
    """The filesystem of that name; raises `Invalid` with the names there are."""
    try:
        return FsType(name)
    except ValueError:
        known = ", ".join(each.value for each in FsType)
        raise Invalid(f"filesystem type {name!r} is not supported; allowed: {known}") from None


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise Invalid(
            f"access mode {mode} is not possible: a volume here is on the disks of one node; allowed:"
            f" {', '.join(MODES)} (in Kubernetes ReadWriteOnce and ReadWriteOncePod)"
        )
