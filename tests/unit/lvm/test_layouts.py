"""What a StorageClass may ask for: made as asked, or refused with what would be right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Invalid, OutOfRange
from drivers.lvm import layouts
from drivers.lvm.layouts import Shape
from drivers.lvm.options import Layout, Options
from drivers.lvm.report import Lv, Segment
from drivers.model import GIB, MIB, SizeRange

THICK = Options(volume_group="vg")
BOTH = Options(volume_group="vg", thin_pools=("pool",), stripes=3)
EVERY = [
    Shape(Layout.THIN), Shape(Layout.LINEAR), Shape(Layout.RAID1),
    *(Shape(layout, stripes) for layout in layouts.SPREAD for stripes in (2, 3, 5)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "options", "shape"),
    [
        ({}, THICK, Shape(Layout.LINEAR)),
        ({}, BOTH, Shape(Layout.THIN)),
        (
            {},
            Options(volume_group="vg", thin_pools=("p",), layout=Layout.RAID1),
            Shape(Layout.RAID1),
        ),
        ({"layout": "linear"}, BOTH, Shape(Layout.LINEAR)),
        ({"layout": "striped"}, THICK, Shape(Layout.STRIPED, 2)),
        ({"layout": "striped"}, BOTH, Shape(Layout.STRIPED, 3)),
        ({"layout": "striped", "stripes": "4"}, BOTH, Shape(Layout.STRIPED, 4)),
        ({"layout": "raid10", "stripes": "2"}, BOTH, Shape(Layout.RAID10, 2)),
        ({"layout": "raid1"}, THICK, Shape(Layout.RAID1)),
    ],
)
def test_parameters_and_defaults(
    parameters: dict[str, str], options: Options, shape: Shape
) -> None:
    assert layouts.shape(parameters, options) == shape


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"layout": "raid5"}, "raid5.*thin, linear, striped, raid1, raid10"),
        ({"layout": ""}, "not known"),
        ({"layout": "Linear"}, "not known"),
        ({"layout": "thin"}, "thinPools names none"),
        ({"stripes": "2"}, "no meaning for layout linear"),
        ({"layout": "raid1", "stripes": "2"}, "no meaning for layout raid1"),
        *(
            ({"layout": "striped", "stripes": value}, "2 to 64")
            for value in ("1", "0", "65", "-2", "2.0", "two", "", " 2", "٣", "2\n")
        ),
    ],
)
def test_what_is_refused_says_what_would_be_right(parameters: dict[str, str], told: str) -> None:
    with pytest.raises(Invalid, match=told):
        layouts.shape(parameters, THICK)


@given(st.sampled_from(EVERY), st.integers(1, 50 * GIB), st.sampled_from([MIB, 4 * MIB, 64 * MIB]))
def test_a_size_is_rounded_up_to_whole_stripes_and_never_down(
    shape: Shape, size: int, extent: int
) -> None:
    extents = shape.extents(size, extent)
    assert extents % shape.stripes == 0
    assert size <= extents * extent < size + extent * shape.stripes


@pytest.mark.parametrize(
    ("size", "true"), [(1, 4), (4 * MIB, 4), (4 * MIB + 1, 8), (5 * MIB, 8), (8 * MIB, 8)]
)
def test_rounding_to_extents(size: int, true: int) -> None:
    assert layouts.rounded(SizeRange(size), Shape(Layout.LINEAR), 4 * MIB) == true * MIB


def test_rounding_past_the_limit_is_out_of_range_and_tells_the_step() -> None:
    shape = Shape(Layout.STRIPED, 3)
    assert layouts.rounded(SizeRange(10 * MIB, 12 * MIB), shape, 4 * MIB) == 12 * MIB
    with pytest.raises(
        OutOfRange, match=f"{24 * MIB}.*limit of {13 * MIB}.*multiple of {12 * MIB}"
    ):
        layouts.rounded(SizeRange(13 * MIB, 13 * MIB), shape, 4 * MIB)


def test_disks_and_copies() -> None:
    told = {shape: (shape.copies, shape.disks) for shape in EVERY}
    assert told[Shape(Layout.LINEAR)] == (1, 1)
    assert told[Shape(Layout.STRIPED, 3)] == (1, 3)
    assert told[Shape(Layout.RAID1)] == (2, 2)
    assert told[Shape(Layout.RAID10, 3)] == (2, 6)


@pytest.mark.parametrize("shape", EVERY)
def test_the_effective_options_ask_for_the_same_shape(shape: Shape) -> None:
    assert layouts.shape(shape.options, BOTH) == shape


def made(kind: str, stripes: int) -> Lv:
    segment = Segment(kind, stripes, (), zero=False, chunk=0)
    return Lv(
        name="v", uuid="u", size=MIB, shown=MIB, tags=frozenset(), origin="", pool="", roles=frozenset(),
        merging=False, health="", parent="", when_full="", metadata_size=0, segments=(segment,),
        fields={},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("lv", "shape"),
    [
        (made("linear", 1), Shape(Layout.LINEAR)),
        (made("striped", 3), Shape(Layout.STRIPED, 3)),
        (made("raid1", 2), Shape(Layout.RAID1)),
        (made("raid10", 6), Shape(Layout.RAID10, 3)),
        (made("thin", 0), Shape(Layout.THIN)),
    ],
)
def test_the_shape_that_lvm_tells(lv: Lv, shape: Shape) -> None:
    assert layouts.of(lv) == shape


def test_a_layout_of_somebody_else_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="raid6"):
        layouts.of(made("raid6", 4))
