"""Mounts that are attached nowhere yet: made whole, and looked at, before anybody can see them.

A mount that is still only a descriptor vanishes with the process that made it. So no crash leaves one
half configured, and no reader finds one without its attributes.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from csi.node import syscalls
from csi.node.devices import Device
from drivers import mountinfo
from drivers.errors import MissingModule, Unavailable

ATTRIBUTES: Mapping[str, int] = MappingProxyType(
    {
        "ro": 0x01,
        "nosuid": 0x02,
        "nodev": 0x04,
        "noexec": 0x08,
        "relatime": 0x00,
        "noatime": 0x10,
        "strictatime": 0x20,
        "nodiratime": 0x80,
    }
)
"""What a mount can have beside its filesystem, in the words of mountinfo; the kernel's bits."""
READ_ONLY = 0x01
ALL = 0x01 | 0x02 | 0x04 | 0x08 | 0x70 | 0x80
"""Which attributes a clone gets anew; 0x70 are all those about access times, as the kernel insists."""


@dataclass(frozen=True, slots=True)
class Filesystem:
    """What to mount: a filesystem type, its device, and its own options (None: without a value)."""

    fs_type: str
    device: Device
    options: Sequence[tuple[str, str | None]] = ()


@contextmanager
def made(filesystem: Filesystem, attributes: Iterable[str]) -> Iterator[int]:
    """A mount of a filesystem with these `ATTRIBUTES`, proven to be of its device.

    Raises OSError with what the kernel says of it, `Unavailable` if it took another device, and
    `MissingModule` if the kernel does not know the filesystem.
    """
    mount = _made(filesystem, attributes)
    try:
        _require_on(filesystem.device, mount)
        yield mount
    finally:
        os.close(mount)


@contextmanager
def cloned(descriptor: int, attributes: Iterable[str], changed: int) -> Iterator[int]:
    """A mount of what an open file shows, with these out of the ``changed`` attributes."""
    mount = syscalls.open_clone(descriptor)
    try:
        syscalls.set_attributes(mount, _bits(attributes), changed)
        yield mount
    finally:
        os.close(mount)


def _made(filesystem: Filesystem, attributes: Iterable[str]) -> int:
    context = _begun(filesystem.fs_type)
    try:
        syscalls.fsconfig(context, "source", str(filesystem.device.path))
        for key, value in filesystem.options:
            syscalls.fsconfig(context, key, value)
        syscalls.fscreate(context)
        return syscalls.fsmount(context, _bits(attributes))
    except OSError as error:
        raise OSError(error.errno, syscalls.said(context) or error.strerror) from error
    finally:
        os.close(context)


def _begun(fs_type: str) -> int:
    try:
        return syscalls.fsopen(fs_type)
    except OSError as error:
        if error.errno != errno.ENODEV:
            raise
        # The kernel has looked for the module itself, with the node's own modprobe.
        raise MissingModule(fs_type, f"mounting {fs_type} needs") from error


def _require_on(device: Device, mount: int) -> None:
    # The kernel was given a path; and of two btrfs with one UUID it may take the other.
    root = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=mount)
    try:
        found, fsid = os.fstat(root).st_dev, mountinfo.btrfs_at(root)
    finally:
        os.close(root)
    if fsid is None and device.number == (os.major(found), os.minor(found)):
        return
    if fsid is None or fsid != mountinfo.btrfs_on(device.number):
        raise Unavailable(f"the kernel mounted another device than {device.path}; ask again")


def _bits(attributes: Iterable[str]) -> int:
    return sum({ATTRIBUTES[each] for each in attributes})
