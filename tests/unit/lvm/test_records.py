"""Between tags and the model: what was written is read back, and a double is settled or refused."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import Unavailable
from drivers.lvm import names, records
from drivers.lvm.layouts import Shape
from drivers.lvm.options import Layout
from drivers.lvm.report import Group, Lv
from drivers.model import (
    MIB,
    Content,
    Properties,
    SizeRange,
    SnapshotSpec,
    Source,
    SourceKind,
    VolumeMode,
    VolumeSpec,
)

GROUP = Group("vg", "abc-def", MIB, 100, 50, 0, 1000, ())
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WORD = st.from_regex(r"[A-Z_]{1,20}", fullmatch=True)
PROPERTIES = st.builds(
    Properties,
    mode=st.sampled_from(VolumeMode),
    fs_type=st.sampled_from(["", "ext4", "xfs"]),
    access_modes=st.lists(WORD, max_size=3).map(tuple),
    pvc_name=TEXT,
    pvc_namespace=TEXT,
    pv_name=TEXT,
    storage_class=TEXT,
    mkfs_options=TEXT,
)
SOURCES = st.none() | st.builds(Source, st.sampled_from(SourceKind), st.just("abcdef.1"))
SHAPES = st.sampled_from(
    [Shape(Layout.THIN), Shape(Layout.LINEAR), Shape(Layout.STRIPED, 3), Shape(Layout.RAID10, 2)]
)


def lv(name: str, tags: Iterable[str], size: int = MIB, uuid: str = "") -> Lv:
    kept = frozenset(tags)
    return Lv(
        name=name, uuid=uuid or f"uuid-{name}", size=size, shown=size, tags=kept, origin="", pool="",
        roles=frozenset({"public"}), merging=False, health="", parent="", when_full="",
        metadata_size=0, segments=(), fields=names.unpack(kept),
    )  # fmt: skip


def group(*lvs: Lv) -> Group:
    return replace(GROUP, lvs={each.name: each for each in lvs})


@given(TEXT, st.integers(1, 2**60), PROPERTIES, SHAPES, st.sampled_from(Content), SOURCES)
def test_a_volume_comes_back_as_it_was_asked_for(
    name: str, size: int, properties: Properties, shape: Shape, content: Content,
    source: Source | None,
) -> None:  # fmt: skip
    spec = VolumeSpec(name, SizeRange(size), properties)
    tags = records.volume_tags("1" * 32, spec, shape, content, source)
    volume = records.volume(GROUP, lv("v", tags, size=2**60))
    assert volume.id == "abcdef." + "1" * 32
    assert (volume.size, volume.requested) == (2**60, size)
    assert (volume.properties, volume.content, volume.source) == (properties, content, source)
    assert volume.options == shape.options
    assert names.CREATING in tags
    assert f"{names.NAME}{names.digest(name)}" in tags


@given(TEXT, PROPERTIES, st.sampled_from(Content), st.dictionaries(TEXT, TEXT, max_size=3))
def test_a_snapshot_comes_back_with_its_moment_and_its_labels(
    name: str, properties: Properties, content: Content, labels: dict[str, str]
) -> None:
    spec = VolumeSpec(name, SizeRange(MIB), properties)
    tags = records.volume_tags("1", spec, Shape(Layout.LINEAR), content, None)
    volume = records.volume(GROUP, lv("v", tags))
    created = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
    asked = SnapshotSpec(name, volume.id, labels)
    made = records.snapshot_tags("2" * 32, asked, volume, created)
    snapshot = records.snapshot(GROUP, lv("s", made), usable=False)
    assert snapshot.id == "abcdef." + "2" * 32
    assert (snapshot.volume_id, snapshot.size, snapshot.created) == (volume.id, MIB, created)
    assert (snapshot.content, snapshot.properties, snapshot.labels) == (content, properties, labels)
    assert snapshot.usable is False
    assert names.CREATING in made


@pytest.mark.parametrize(
    ("asked", "size", "told"),
    [(MIB - 1, MIB, MIB - 1), (MIB, MIB, 0), (MIB, 8 * MIB, 0)],
    ids=["rounded", "exact", "grown"],
)
def test_a_snapshot_tells_what_to_ask_for_again(asked: int, size: int, told: int) -> None:
    spec = VolumeSpec("v", SizeRange(asked))
    tags = records.volume_tags("1", spec, Shape(Layout.LINEAR), Content.BLANK, None)
    volume = replace(records.volume(GROUP, lv("v", tags)), size=size)
    made = records.snapshot_tags("2" * 32, SnapshotSpec("s", volume.id), volume, datetime.now(UTC))
    snapshot = records.snapshot(GROUP, lv("s", made), usable=True)
    assert (snapshot.size, snapshot.requested) == (size, told)


def tagged(object_id: str, kind: str = "volume", *marks: str) -> list[str]:
    return [f"{names.ID}{object_id}", *names.pack({"kind": kind, "content": "blank"}), *marks]


def test_the_catalogue_has_what_is_finished_and_ours() -> None:
    found = records.catalogue(
        group(
            lv("v", tagged("1")),
            lv("s", tagged("2", "snapshot")),
            lv("growing", tagged("3", "volume", names.GROWING)),
            lv("creating", tagged("4", "volume", names.CREATING)),
            lv("deleting", tagged("5", "snapshot", names.DELETING)),
            lv("theirs", ["backup", "db"]),
            lv("no-id", names.pack({"kind": "volume"})),
            lv("pool", []),
        )
    )
    assert {key: each.name for key, each in found.volumes.items()} == {"1": "v", "3": "growing"}
    assert {key: each.name for key, each in found.snapshots.items()} == {"2": "s"}


def test_of_two_volumes_with_one_id_the_unfinished_one_does_not_count() -> None:
    new = lv("new", tagged("1", "volume", names.CREATING, f"{names.REPLACES}uuid-old"))
    assert records.catalogue(group(lv("old", tagged("1")), new)).volumes["1"].name == "old"


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
def test_of_two_finished_ones_the_one_that_replaces_the_other_is_it(order: tuple[str, str]) -> None:
    lvs = {
        "old": lv("old", tagged("1")),
        "new": lv("new", tagged("1", "volume", f"{names.REPLACES}uuid-old")),
    }
    assert records.catalogue(group(*(lvs[name] for name in order))).volumes["1"].name == "new"


def test_two_finished_ones_without_a_successor_are_refused_by_both_names() -> None:
    twins = group(
        lv("one", tagged("1")), lv("two", tagged("1", "volume", "hearth.replaces=uuid-x"))
    )
    with pytest.raises(
        Unavailable, match=r"(one and two|two and one) both carry the id 1.*remove the tag"
    ):
        records.catalogue(twins)


def test_a_volume_and_a_snapshot_may_share_an_id() -> None:
    found = records.catalogue(group(lv("v", tagged("1")), lv("s", tagged("1", "snapshot"))))
    assert (found.volumes["1"].name, found.snapshots["1"].name) == ("v", "s")


def test_changing_a_field_tells_the_tags_to_add_and_to_remove() -> None:
    before = lv("v", tagged("1"))
    add, remove = records.with_fields(before, content="formatted")
    assert names.unpack((before.tags - remove) | add) == {"kind": "volume", "content": "formatted"}
    assert remove == names.packed(before.tags)
    assert records.with_fields(before, content="blank") == (frozenset(), frozenset())


def test_a_change_that_makes_it_shorter_leaves_no_part_behind() -> None:
    long = lv("v", names.pack({"kind": "volume", "mkfs": "x" * 2500}))
    add, remove = records.with_fields(long, mkfs="y")
    assert (long.tags - remove) | add == set(names.pack({"kind": "volume", "mkfs": "y"}))
