"""What tags hold comes back, whatever it is, and LVM accepts every one of them."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from drivers.lvm import names

ALPHABET = re.compile(r"[A-Za-z0-9_+.\-/=!:&#]{1,1024}")
LV_NAME = re.compile(r"[A-Za-z0-9_+.][A-Za-z0-9_+.\-]{0,99}")
KEYS = st.sampled_from(["kind", "content", "pvc", "ns", "labels", "mkfs", "source"])
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
TAGS = st.text(st.sampled_from("ab!&=%0F#:/+-_."), max_size=40)


@given(st.dictionaries(KEYS, TEXTS))
def test_fields_of_any_unicode_come_back(fields: dict[str, str]) -> None:
    assert names.unpack(names.pack(fields)) == {key: text for key, text in fields.items() if text}


@given(st.dictionaries(KEYS, TEXTS))
def test_every_tag_is_one_that_lvm_accepts(fields: dict[str, str]) -> None:
    for tag in names.pack(fields):
        assert ALPHABET.fullmatch(tag), tag


def test_a_long_text_spreads_over_as_many_tags_as_it_takes() -> None:
    fields = {"mkfs": "é~" * 6000, "pvc": "data"}
    tags = names.pack(fields)
    assert len(tags) > 10
    assert all(ALPHABET.fullmatch(tag) for tag in tags)
    assert names.unpack(reversed(tags)) == fields


def test_a_usual_volume_has_one_packed_tag() -> None:
    fields = {
        "kind": "volume",
        "pvc": "p" * 253,
        "ns": "n" * 63,
        "pv": "v" * 40,
        "class": "c" * 253,
    }
    assert len(names.pack(fields)) == 1


@given(st.lists(TAGS.map(lambda text: f"hearth.1={text}"), max_size=3))
def test_what_somebody_else_wrote_into_a_tag_breaks_nothing(tags: list[str]) -> None:
    assert isinstance(names.unpack(tags), dict)


def test_only_packed_tags_are_unpacked() -> None:
    packed = names.pack({"kind": "volume"})
    others = ["hearth.id=1", "hearth.creating", "site.1=x", "hearth.replaces=u", "backup"]
    assert names.unpack([*others, *packed]) == {"kind": "volume"}
    assert names.packed([*others, *packed]) == frozenset(packed)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=128))
def test_names_of_logical_volumes_are_lvms_and_tell_nothing(name: str) -> None:
    assert LV_NAME.fullmatch(names.volume(name))
    assert LV_NAME.fullmatch(names.snapshot(name))
    assert names.volume(name) == names.volume(name)
    # Half of a SHA-256: two names never meet by chance.
    assert len(names.digest(name)) == 32
    assert names.volume(name) != names.volume(name + "x")
    assert names.volume(name) != names.snapshot(name)


def test_names_leave_room_for_the_name_of_a_group_and_for_suffixes() -> None:
    identifier = names.object_id()
    every = [
        names.volume("x"), names.snapshot("x"), names.deleted(),
        *(names.temporary(purpose, identifier) for purpose in ("copy", "tail9", "revert", "area")),
    ]  # fmt: skip
    # Group, volume and internal suffixes share 127 characters, and a group may have 63.
    assert max(map(len, every)) <= 64 - len("_rimage_99")


def test_ids_and_names_for_deletion_are_new_each_time() -> None:
    assert len({names.object_id() for _ in range(100)}) == 100
    assert len({names.deleted() for _ in range(100)}) == 100
    assert re.fullmatch(r"[0-9a-f]{32}", names.object_id())


def test_a_temporary_name_is_the_same_for_each_retry() -> None:
    assert (
        names.temporary("copy", "1") == names.temporary("copy", "1") != names.temporary("copy", "2")
    )


def test_no_mark_is_taken_for_a_packed_tag_or_for_another_mark() -> None:
    marks = [
        names.ID, names.NAME, names.CREATING, names.DELETING, names.GROWING, names.REVERTING,
        names.REPLACES, names.TAIL, names.COPY,
    ]  # fmt: skip
    assert names.packed(marks) == frozenset()
    assert [(a, b) for a in marks for b in marks if a != b and b.startswith(a)] == []
