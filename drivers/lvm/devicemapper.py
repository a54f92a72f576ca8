"""What the kernel's device-mapper says about a device, by ioctl: 0.2 ms instead of an LVM run.

Devices are asked for by UUID, which LVM makes from the UUIDs of group and volume: it stays the same
through every rename. The one thing ever changed here is to resume a device that a dead process left
suspended. Layout and numbers are the kernel's ``linux/dm-ioctl.h``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drivers.errors import MissingModule, Unavailable

CONTROL = Path("/dev/mapper/control")

_HEADER = struct.Struct("=3I3Ii3IQ128s129s7s")
_TARGET = struct.Struct("=QQiI16s")
_LISTED = struct.Struct("=QI")
_LIST, _RESUME, _INFO, _STATUS = 0xC138FD02, 0xC138FD06, 0xC138FD07, 0xC138FD0C
_SUSPENDED, _WAITS, _NOFLUSH = 1 << 1, 1 << 6, 1 << 11


@dataclass(frozen=True, slots=True)
class Device:
    """A device that exists in the kernel. ``path`` may be reused by another device later, so whoever
    opens it checks the UUID of what was opened."""

    name: str
    uuid: str
    opened: int
    suspended: bool
    path: Path
    waits: bool = False
    """Whether another table waits to be used from the next resume on."""


@dataclass(frozen=True, slots=True)
class Target:
    """One row of a device's status: the target's type and its own words."""

    type: str
    status: str


def device(uuid: str) -> Device | None:
    """The device with that UUID, or None if the kernel has none: it is not active."""
    answer = _call(_INFO, uuid=uuid)
    return None if answer is None else _device(answer)


def status(uuid: str) -> tuple[Target, ...]:
    """The status rows of the device with that UUID; empty if it is not active.

    Does not flush, so it never waits for the device.
    """
    answer = _call(_STATUS, uuid=uuid, flags=_NOFLUSH, room=16384)
    return () if answer is None else tuple(_targets(answer))


def devices(prefix: str) -> list[Device]:
    """All devices whose UUID begins with ``prefix``."""
    answer = _call(_LIST, room=1 << 20)
    found = (_call(_INFO, name=name) for name in _names(answer)) if answer else ()
    each = (_device(one) for one in found if one is not None)
    return [one for one in each if one.uuid.startswith(prefix)]


def resume(name: str) -> None:
    """Let a suspended device go on; does nothing to one that is live."""
    _call(_RESUME, name=name)


def _call(
    command: int, *, name: str = "", uuid: str = "", flags: int = 0, room: int = 0
) -> bytearray | None:
    size = max(_HEADER.size, room)
    head = _HEADER.pack(
        4, 0, 0, size, _HEADER.size, 0, 0, flags, 0, 0, 0, name.encode(), uuid.encode(), b""
    )
    request = bytearray(head.ljust(size, b"\0"))
    try:
        with CONTROL.open("r+b", buffering=0) as control:
            fcntl.ioctl(control, command, request, True)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        absent = error.errno in (errno.ENOENT, errno.ENODEV)
        reason = MissingModule("dm_mod", "LVM needs") if absent else error
        raise Unavailable(f"device-mapper does not answer on this node: {reason}") from error
    return request


def _device(answer: bytearray) -> Device:
    fields = _HEADER.unpack_from(answer)
    opened, flags, dev = fields[6], fields[7], fields[10]
    return Device(
        name=_text(fields[11]),
        uuid=_text(fields[12]),
        opened=opened,
        suspended=bool(flags & _SUSPENDED),
        waits=bool(flags & _WAITS),
        path=Path(f"/dev/dm-{os.minor(dev)}"),
    )


def _targets(answer: bytearray) -> Iterator[Target]:
    fields = _HEADER.unpack_from(answer)
    start, count = fields[4], fields[5]
    at = start
    for _ in range(count):
        _sector, _length, _status, following, kind = _TARGET.unpack_from(answer, at)
        text = at + _TARGET.size
        yield Target(_text(kind), answer[text : answer.index(0, text)].decode())
        at = start + following


def _names(answer: bytearray) -> Iterator[str]:
    at = _HEADER.unpack_from(answer)[4]
    while True:
        dev, following = _LISTED.unpack_from(answer, at)
        if not dev:
            return
        text = at + _LISTED.size
        yield answer[text : answer.index(0, text)].decode()
        if not following:
            return
        at += following


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode()
