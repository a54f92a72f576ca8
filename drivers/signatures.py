"""What a device holds, by looking at it: for objects that somebody else made.

The device is open already, and proven to be the right one: to ``blkid``, a device that it cannot read is
an empty one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from drivers import superblocks
from drivers.errors import Unavailable
from drivers.exec import Run
from drivers.manageable import Found, Hindrance, Obstacle
from drivers.model import MIB, FsType, VolumeMode

NOTHING_FOUND, AMBIVALENT = 2, 8

Look = tuple[Found, Obstacle | None]
"""What is there, and what speaks against mounting it."""


def look(descriptor: int, size: int, run: Run) -> Look:
    """Look at an open device of ``size`` bytes; only reads.

    Raises `Unavailable` if it cannot be read, at its begin or its end.
    """
    for at in (0, max(0, size - MIB)):
        read(descriptor, at, min(MIB, size))
    if (told := probe(descriptor, run)) is None:
        return _unknown("", "signatures of several things at once (see wipefs --no-act)")
    return _judged(told, descriptor, size)


def probe(descriptor: int, run: Run) -> Mapping[str, str] | None:
    """What ``blkid`` says of an open device, by its own keys; None for signatures of several things at once.

    It says nothing, too, of a device that it cannot read: that it can be read must be known before.
    """
    # -p reads the device and not a cache.
    result = run(
        ["blkid", "-p", "-o", "export", f"/proc/self/fd/{descriptor}"],
        ok=(0, NOTHING_FOUND, AMBIVALENT),
        pass_fds=(descriptor,),
    )
    if result.code == AMBIVALENT:
        return None
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)


def read(descriptor: int, at: int, length: int) -> bytes:
    """Exactly ``length`` bytes; raises `Unavailable` if they cannot be had."""
    try:
        found = os.pread(descriptor, length, at)
    except OSError as error:
        raise Unavailable(f"the device cannot be read at {at}: {error.strerror}") from error
    if len(found) != length:
        raise Unavailable(f"the device ends at {at + len(found)}, before {at + length}")
    return found


def complaint(fs_type: str, descriptor: int, size: int) -> str:
    """What the superblock of a filesystem that is there has against being used; empty for nothing."""
    return superblocks.complaint(
        FsType(fs_type), lambda at, length: read(descriptor, at, length), size
    )


def _judged(told: Mapping[str, str], descriptor: int, size: int) -> Look:
    kind = told.get("TYPE", "")
    if kind not in {each.value for each in FsType}:
        table = told.get("PTTYPE")
        return _unknown(
            kind, kind or (f"a partition table ({table})" if table else "nothing known")
        )
    words = complaint(kind, descriptor, size)
    obstacle = Obstacle(Hindrance.DAMAGED_FILESYSTEM, words) if words else None
    return Found(kind, VolumeMode.FILESYSTEM), obstacle


def _unknown(kind: str, what: str) -> Look:
    known = ", ".join(each.value for each in FsType)
    words = (
        f"it holds {what}, and a node mounts {known}: it is never formatted, so bring it in as a block"
        " volume"
    )
    return Found(kind, VolumeMode.BLOCK), Obstacle(Hindrance.UNKNOWN_FILESYSTEM, words)
