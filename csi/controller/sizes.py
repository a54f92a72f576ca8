"""How large a volume becomes, from what its maker asked for and what it has to hold."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.errors import Invalid, OutOfRange
from drivers.model import GIB, FsType, SizeRange

DEFAULT = GIB
"""The bytes of a volume whose maker named no size."""
LARGEST = (1 << 63) - 1
"""The most bytes that a message of CSI can tell."""


@dataclass(frozen=True, slots=True)
class Floor:
    """The least number of bytes that would do, and why."""

    size: int
    reason: str


NOTHING = Floor(0, "")


def asked(required: int, limit: int) -> SizeRange:
    """A capacity range of CSI, where 0 says that nothing is asked for.

    Raises `Invalid` for negative numbers and `OutOfRange` for an empty range.
    """
    if required < 0 or limit < 0:
        raise Invalid(f"a size cannot be negative: required {required}, limit {limit} bytes")
    if limit and required > limit:
        raise OutOfRange(f"{required} bytes are required, but only {limit} are allowed")
    return SizeRange(required, limit or None)


def filesystem_floor(fs_type: FsType) -> Floor:
    """What a filesystem needs to be made at all."""
    return Floor(fs_type.minimum_size, f"the smallest {fs_type.value} filesystem")


def choose(wanted: SizeRange, *floors: Floor, unit: int = 1) -> SizeRange:
    """The range with its size settled: what is required, or else a GiB and enough for all floors.

    Raises `OutOfRange`, with the least size that would do, for one that stays below a floor when it is
    rounded up to a multiple of ``unit``: who repeats the size that a source was made with gets it.
    """
    lowest = max(floors, key=lambda floor: floor.size, default=NOTHING)
    usual = DEFAULT if wanted.limit is None else min(DEFAULT, wanted.limit)
    size = wanted.required or max(usual, lowest.size)
    if round_up(size, unit) < lowest.size or size not in SizeRange(0, wanted.limit):
        bound = wanted.required or wanted.limit
        raise OutOfRange(
            f"{bound} bytes are fewer than the {lowest.size} of {lowest.reason}: ask for at least those"
        )
    tellable(size, unit)
    return SizeRange(size, wanted.limit)


def tellable(size: int, unit: int) -> int:
    """``size`` rounded up to a multiple of ``unit``; raises `OutOfRange` if CSI cannot tell that many."""
    if (rounded := round_up(size, unit)) > LARGEST:
        raise OutOfRange(
            f"{size} bytes, in units of {unit}, are more than any volume can have: {LARGEST}"
        )
    return rounded


def round_up(size: int, unit: int) -> int:
    """The least multiple of ``unit`` that is not below ``size``."""
    return -(-size // unit) * unit
