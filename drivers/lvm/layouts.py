"""How a volume lies on the disks: what a StorageClass may ask for, and what LVM is told.

What was asked for is made or refused, never something simpler instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivers.errors import Invalid, OutOfRange
from drivers.lvm.options import Layout, Options
from drivers.lvm.report import Lv
from drivers.model import SizeRange

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "layout": tuple(layout.value for layout in Layout),
    "stripes": (),
}
SPREAD = (Layout.STRIPED, Layout.RAID10)


@dataclass(frozen=True, slots=True)
class Shape:
    """A layout with its number; ``stripes`` is 1 where it has no meaning."""

    layout: Layout
    stripes: int = 1

    @property
    def copies(self) -> int:
        """How many times every byte is stored."""
        return 2 if self.layout in (Layout.RAID1, Layout.RAID10) else 1

    @property
    def disks(self) -> int:
        """How many disks it needs at least."""
        return self.stripes * self.copies

    @property
    def arguments(self) -> Sequence[str]:
        """What tells ``lvcreate`` to make a thick volume of this shape."""
        spread = ["--stripes", str(self.stripes), "--stripesize", "64k"]
        return {
            Layout.LINEAR: ["--type", "linear"],
            Layout.STRIPED: ["--type", "striped", *spread],
            Layout.RAID1: ["--type", "raid1", "--mirrors", "1"],
            Layout.RAID10: ["--type", "raid10", "--mirrors", "1", *spread],
        }[self.layout]

    def extents(self, size: int, extent: int) -> int:
        """The extents of a volume of at least ``size`` bytes: LVM rounds up to whole stripes."""
        step = extent * self.stripes
        return max(1, -(-size // step)) * self.stripes

    @property
    def options(self) -> dict[str, str]:
        """The effective StorageClass parameters."""
        stripes = {"stripes": str(self.stripes)} if self.layout in SPREAD else {}
        return {"layout": self.layout.value, **stripes}


def shape(parameters: Mapping[str, str], options: Options) -> Shape:
    """The shape that a volume's ``parameters`` and the backend's defaults ask for.

    Raises `Invalid` for a layout that there is not, one the backend cannot serve, or stripes where
    they mean nothing.
    """
    layout = _layout(parameters.get("layout"), options)
    if layout is Layout.THIN and not options.thin_pools:
        raise Invalid("layout thin needs a thin pool, and this backend's thinPools names none")
    asked = parameters.get("stripes")
    if layout not in SPREAD:
        if asked is not None:
            raise Invalid(f"stripes has no meaning for layout {layout.value}: leave it out")
        return Shape(layout)
    return Shape(layout, options.stripes if asked is None else _stripes(asked))


def of(lv: Lv) -> Shape:
    """The shape that a thick volume has, from what LVM says of it; raises `Invalid` if unknown."""
    match lv.type:
        case "linear":
            return Shape(Layout.LINEAR)
        case "striped":
            return Shape(Layout.STRIPED, lv.stripes)
        case "raid1":
            return Shape(Layout.RAID1)
        case "raid10":
            return Shape(Layout.RAID10, lv.stripes // 2)
        case "thin":
            return Shape(Layout.THIN)
    raise Invalid(
        f"logical volume {lv.name} has the layout {lv.type}, which this driver does not know"
    )


def rounded(size: SizeRange, shape: Shape, extent: int) -> int:
    """The true size in bytes for a request; raises `OutOfRange` if rounding up passes the limit."""
    true = shape.extents(size.required, extent) * extent
    if true not in size:
        raise OutOfRange(
            f"{size.required} bytes round up to {true} (extents of {extent}), above the limit of"
            f" {size.limit}: ask for a multiple of {extent * shape.stripes} or raise the limit"
        )
    return true


def _layout(value: str | None, options: Options) -> Layout:
    if value is None:
        return options.default_layout
    try:
        return Layout(value)
    except ValueError:
        known = ", ".join(PARAMETERS["layout"])
        raise Invalid(f"layout {value!r} is not known: use one of {known}") from None


def _stripes(value: str) -> int:
    if not value.isascii() or not value.isdigit() or not 2 <= int(value) <= 64:
        raise Invalid(f"stripes {value!r} is not a whole number from 2 to 64")
    return int(value)
