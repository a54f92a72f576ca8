"""Preparing a node: empty disks become physical volumes, a volume group and a thin pool.

Refuses every disk that is in use or carries anything that anybody could want. The metadata area is larger
than LVM's default, which is full after some 1,300 volumes.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from drivers.errors import CommandFailed, Exists, InUse, Invalid, Unavailable
from drivers.exec import Run
from drivers.lvm import blocks
from drivers.lvm.options import Name
from drivers.model import KIB, MIB

DEFAULT_METADATA = 64 * MIB
LARGEST_SHARE = 20
"""The metadata area may take one part in so many of a disk."""
EXTENT = 4 * MIB
"""The unit of the group, LVM's default."""
MARGIN = 2 * MIB
"""What LVM may take of a disk beside the metadata area: its label, and room to align the extents."""
LARGEST_POOL_METADATA = 128 * MIB
"""LVM makes the chunks of a pool larger before it makes the pool's metadata larger than this."""
RESERVED = re.compile(
    r"\.\.?\Z|snapshot|pvmove|.*_([cv]data|[cirt]?meta|[cv]orig|wcorig|cpool|cvol|vorigin|pmspare"
    r"|[mr]image|mlog|tdata|imeta|iorig)"
)
"""Names that LVM keeps for its own logical volumes (lvm(8), "Valid names")."""
NOTHING_FOUND = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be made; sizes in bytes.

    ``metadata_size`` None: 64 MiB; disks of which it would take more than a twentieth are refused.
    ``pool_size`` None: all the room there is. ``wipe`` zeroes the disks first, whatever they hold but
    signatures.
    """

    volume_group: str
    devices: Sequence[str]
    thin_pool: str | None = None
    pool_size: int | None = None
    metadata_size: int | None = None
    wipe: bool = False

    @property
    def metadata(self) -> int:
        """The bytes of the metadata area on each disk."""
        return DEFAULT_METADATA if self.metadata_size is None else self.metadata_size


def create(run: Run, plan: Plan) -> Iterator[str]:
    """Carry the plan out, telling each step in a line.

    Everything is checked before anything is changed. Raises `Invalid`, `InUse`, `Exists` or
    `Unavailable`, naming the disk and what to do.
    """
    check(run, plan)
    if plan.wipe:
        for path in plan.devices:
            yield from _zero(path)
    run(
        ["lvm", "vgcreate", "--yes", "--metadatasize", f"{plan.metadata // KIB}k",
         "--physicalextentsize", f"{EXTENT // KIB}k", "--", plan.volume_group, *plan.devices],
        wait=True,
    )  # fmt: skip
    yield f"volume group {plan.volume_group} on {', '.join(plan.devices)}"
    if plan.thin_pool is not None:
        yield _create_pool(run, plan, plan.thin_pool)


def check(run: Run, plan: Plan) -> None:
    """Look whether the plan can be carried out, and change nothing. Raises as `create` does."""
    _check_words(plan)
    _refuse_existing(run, plan.volume_group)
    _check_pool_size(plan, [_check(run, path, plan.metadata) for path in plan.devices])


def largest_pool(sizes: Sequence[int], metadata: int) -> int:
    """The bytes of the largest thin pool on disks of ``sizes`` bytes, each with ``metadata`` for LVM.

    The pool's own metadata is there twice: LVM keeps a spare to repair it with.
    """
    extents = sum(max(0, size - metadata - MARGIN) // EXTENT for size in sizes)
    return max(0, extents - 2 * _pool_metadata(extents)) * EXTENT


def _pool_metadata(extents: int) -> int:
    """The extents that the metadata of a pool of ``extents`` extents takes at most."""
    # 64 bytes for each chunk of at least 64 KiB, and no less than 2 MiB.
    taken = min(extents * EXTENT // KIB, LARGEST_POOL_METADATA)
    return -(-taken // EXTENT)


def _check_words(plan: Plan) -> None:
    if not plan.devices:
        raise Invalid("name at least one disk")
    if len({os.path.realpath(path) for path in plan.devices}) < len(plan.devices):
        raise Invalid(f"a disk is named twice among {', '.join(plan.devices)}")
    _check_name("a volume group", plan.volume_group)
    if plan.metadata < MIB:
        raise Invalid(f"--metadata-size {plan.metadata}: give at least {MIB} bytes, LVM's default")
    if plan.thin_pool is not None:
        _check_name("a thin pool", plan.thin_pool)
        if RESERVED.match(plan.thin_pool):
            raise Invalid(f"{plan.thin_pool!r} is a name that LVM keeps for itself: use another")
    elif plan.pool_size is not None:
        raise Invalid("--pool-size is the size of a thin pool: name it with --thin-pool")


def _check_name(what: str, name: str) -> None:
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError as error:
        raise Invalid(f"{name!r} cannot be the name of {what}: {error}") from None


def _check_pool_size(plan: Plan, sizes: Sequence[int]) -> None:
    largest = largest_pool(sizes, plan.metadata)
    wanted = EXTENT if plan.pool_size is None else plan.pool_size
    if plan.thin_pool is not None and not 0 < wanted <= largest:
        raise Invalid(
            f"a thin pool of {wanted} bytes does not fit on {', '.join(plan.devices)}:"
            f" the largest has {largest}"
        )


def _create_pool(run: Run, plan: Plan, pool: str) -> str:
    # --errorwhenfull is refused beside --type thin-pool (2.03.16), accepted beside --thin.
    sized = plan.pool_size is not None
    room = ["--size", f"{plan.pool_size}b"] if sized else ["--extents", "100%FREE"]
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
    # LVM refuses these: the devices of the group are to be in a directory of that name.
    if Path("/dev", volume_group).exists():
        raise Exists(f"/dev/{volume_group} exists, so no volume group can have that name")


def _check(run: Run, path: str, metadata: int) -> int:
    """The bytes of an empty disk that is large enough."""
    with _exclusive(path) as descriptor:
        size = os.lseek(descriptor, 0, os.SEEK_END)
        if size < metadata * LARGEST_SHARE:
            raise Invalid(
                f"{path} has {size} bytes: the metadata area of {metadata} would take more than a"
                " twentieth of it; give a smaller --metadata-size"
            )
        # Also proves that the disk can be read at both ends: "nothing found" is no proof of that.
        for at in (0, max(0, size - MIB)):
            if not os.pread(descriptor, MIB, at):
                raise Unavailable(f"{path} cannot be read at {at}")
        _probe(run, path, descriptor)
        return size


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
