"""Preparing a node: empty disks become physical volumes, a volume group and a thin pool.

Refuses every disk that is in use or carries anything that anybody could want. The metadata area is larger
than LVM's default, which is full after some 1,300 volumes.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from drivers.errors import CommandFailed, Exists, InUse, Invalid, Unavailable
from drivers.exec import Run
from drivers.lvm import blocks
from drivers.model import KIB, MIB

DEFAULT_METADATA = 64 * MIB
LARGEST_SHARE = 20
"""The metadata area may take one part in so many of a disk, unless its size was given."""
NOTHING_FOUND = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made; sizes in bytes.

    ``metadata_size`` None: 64 MiB, and disks for which that is too much are refused. ``pool_size``
    None: all the room there is. ``wipe`` zeroes the disks first, whatever they hold but signatures.
    """

    volume_group: str
    devices: Sequence[str]
    thin_pool: str | None = None
    pool_size: int | None = None
    metadata_size: int | None = None
    wipe: bool = False


def create(run: Run, plan: Plan) -> Iterator[str]:
    """Carry the plan out, telling each step in a line.

    Everything is checked before anything is changed. Raises `Invalid`, `InUse`, `Exists` or
    `Unavailable`, naming the disk and what to do.
    """
    if not plan.devices:
        raise Invalid("name at least one disk")
    _refuse_existing(run, plan.volume_group)
    for path in plan.devices:
        _check(run, path, plan.metadata_size)
    if plan.wipe:
        for path in plan.devices:
            yield from _zero(path)
    metadata = f"{(plan.metadata_size or DEFAULT_METADATA) // KIB}k"
    run(
        [
            "lvm",
            "vgcreate",
            "--yes",
            "--metadatasize",
            metadata,
            "--",
            plan.volume_group,
            *plan.devices,
        ],
        wait=True,
    )
    yield f"volume group {plan.volume_group} on {', '.join(plan.devices)}"
    if plan.thin_pool:
        yield _create_pool(run, plan, plan.thin_pool)


def _create_pool(run: Run, plan: Plan, pool: str) -> str:
    # --errorwhenfull is refused beside --type thin-pool (2.03.16), accepted beside --thin.
    room = ["--size", f"{plan.pool_size}b"] if plan.pool_size else ["--extents", "100%FREE"]
    run(
        ["lvm", "lvcreate", "--yes", "--thin", "--zero", "y", "--errorwhenfull", "y", *room,
         "--", f"{plan.volume_group}/{pool}"],
        wait=True,
    )  # fmt: skip
    return f"thin pool {plan.volume_group}/{pool}: zeroes new blocks, fails writes when full"


def _refuse_existing(run: Run, volume_group: str) -> None:
    listed = run(["lvm", "vgs", "--noheadings", "--options", "vg_name"]).stdout.split()
    if volume_group in listed:
        raise Exists(f"volume group {volume_group} exists: name another, or use it as it is")


def _check(run: Run, path: str, metadata: int | None) -> None:
    with _exclusive(path) as descriptor:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        if metadata is None and size < DEFAULT_METADATA * LARGEST_SHARE:
            raise Invalid(
                f"{path} has {size} bytes: the metadata area of {DEFAULT_METADATA} would take more"
                " than a twentieth of it; give --metadata-size"
            )
        # Also proves that the disk can be read at both ends: "nothing found" is no proof of that.
        for at in (0, max(0, size - MIB)):
            if not os.pread(descriptor, MIB, at):
                raise Unavailable(f"{path} cannot be read at {at}")
        _probe(run, path, descriptor)


def _probe(run: Run, path: str, descriptor: int) -> None:
    """Refuse a disk with any signature; only blkid's clear "nothing found" lets it pass."""
    argv = ["blkid", "--probe", "--output", "export", f"/dev/fd/{descriptor}"]
    try:
        found = run(argv, ok=(0, NOTHING_FOUND), pass_fds=(descriptor,))
    except CommandFailed as failed:
        raise Unavailable(f"{path}: cannot tell whether it is empty: {failed}") from failed
    if found.code == NOTHING_FOUND and not found.stdout.strip():
        return
    what = ", ".join(line for line in found.stdout.split() if "TYPE=" in line) or "a signature"
    raise InUse(f"{path} is not empty ({what}): if nobody needs it, wipefs --all {path}")


def _zero(path: str) -> Iterator[str]:
    with _exclusive(path, write=True) as descriptor:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        step = max(MIB, size // 10 // MIB * MIB)
        for at in range(0, size, step):
            piece = min(step, size - at)
            blocks.zero(descriptor, at, piece)
            yield f"{path}: zeroed {at + piece} of {size} bytes"


@contextmanager
def _exclusive(path: str, *, write: bool = False) -> Iterator[int]:
    """Open a whole disk that nobody has claimed: no filesystem, no group, no swap."""
    try:
        descriptor = os.open(path, (os.O_RDWR if write else os.O_RDONLY) | os.O_EXCL | os.O_CLOEXEC)
    except OSError as error:
        kind = InUse if error.errno == errno.EBUSY else Invalid
        raise kind(f"{path} cannot be taken: {error.strerror}") from error
    try:
        if not stat.S_ISBLK(os.fstat(descriptor).st_mode):
            raise Invalid(f"{path} is not a block device")
        yield descriptor
    except OSError as error:
        raise Unavailable(f"{path}: {error.strerror}") from error
    finally:
        os.close(descriptor)
