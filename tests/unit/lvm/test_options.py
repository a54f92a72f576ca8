"""What an administrator may say, and how a mistake is told."""

from __future__ import annotations

import msgspec
import pytest

from drivers.errors import Invalid
from drivers.lvm.options import Layout, Options, Wipe, WipeOn
from drivers.options import check

FULL = {
    "volumeGroup": "vg-data_1.x+y",
    "thinPools": ["pool", "fast"],
    "layout": "raid10",
    "stripes": 4,
    "overcommit": 2.5,
    "reserve": 1073741824,
    "dataWatermark": 0.9,
    "metadataWatermark": 0.5,
    "wipe": "discard",
    "wipeOn": "both",
    "runtimeDirectory": "/run/other",
    "backupDirectory": None,
}


def test_every_key() -> None:
    options = check(FULL, Options)
    assert options == Options(
        volume_group="vg-data_1.x+y", thin_pools=("pool", "fast"), layout=Layout.RAID10, stripes=4,
        overcommit=2.5, reserve=1 << 30, data_watermark=0.9, metadata_watermark=0.5,
        wipe=Wipe.DISCARD, wipe_on=WipeOn.BOTH, runtime_directory="/run/other",
        backup_directory=None,
    )  # fmt: skip
    assert {field.encode_name for field in msgspec.structs.fields(Options)} == set(FULL)


def test_the_defaults_are_the_careful_ones() -> None:
    options = check({"volumeGroup": "vg"}, Options)
    assert (options.wipe, options.wipe_on) == (Wipe.ZERO, WipeOn.DELETE)
    assert (options.data_watermark, options.metadata_watermark) == (0.95, 0.70)
    assert (options.overcommit, options.reserve) == (1.0, 0)
    assert options.backup_directory == "/var/lib/hearth-csi/backup"


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("volumeGroup", "", "volumeGroup"),
        ("volumeGroup", "-vg", "volumeGroup"),
        ("volumeGroup", "vg/lv", "volumeGroup"),
        ("volumeGroup", "v g", "volumeGroup"),
        ("volumeGroup", "vg\n", "volumeGroup"),
        ("volumeGroup", "v" * 64, "volumeGroup"),
        ("thinPools", ["a", "--b"], r"thinPools\[(1|\.\.\.)\]"),
        ("thinPools", "pool", "thinPools"),
        ("layout", "raid5", "layout.*thin, linear, striped, raid1, raid10"),
        ("stripes", 1, "stripes"),
        ("stripes", 65, "stripes"),
        ("stripes", "2", "stripes"),
        ("overcommit", 0, "overcommit"),
        ("reserve", -1, "reserve"),
        ("reserve", "10G", "reserve"),
        ("dataWatermark", 0, "dataWatermark"),
        ("dataWatermark", 1.01, "dataWatermark"),
        ("metadataWatermark", 70, "metadataWatermark"),
        ("wipe", "zeros", "wipe.*zero, discard, none"),
        ("wipeOn", "create", "wipeOn.*delete, both"),
        ("thinPool", "pool", r"\$\.thinPool: unknown key.*thinPools"),
        ("volume_group", "vg", "unknown key.*volumeGroup"),
    ],
)
def test_a_mistake_is_told_by_its_place_and_what_is_allowed(
    key: str, value: object, told: str
) -> None:
    with pytest.raises(Invalid, match=told):
        check({"volumeGroup": "vg", key: value}, Options)


def test_the_group_must_be_named() -> None:
    with pytest.raises(Invalid, match=r"\$\.volumeGroup: this key is missing"):
        check({}, Options)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("thinPools", ["p", "p"], "twice"),
        ("runtimeDirectory", "relative", "runtimeDirectory"),
        ("runtimeDirectory", "/a\0b", "runtimeDirectory"),
    ],
)
def test_what_would_mislead_later_is_refused_at_once(key: str, value: object, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        check({"volumeGroup": "vg", key: value}, Options)
