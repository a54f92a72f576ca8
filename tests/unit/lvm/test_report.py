"""LVM's own words, recorded from 2.03.16, as records; and the fake's words beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from drivers.errors import Unavailable
from drivers.lvm import report
from drivers.model import MIB
from tests.fakes.lvm import FakeLvm
from tests.fakes.lvm.driver import life

SAMPLE = (Path(__file__).parents[2] / "data" / "lvm-report-2.03.16.json").read_text()
THIN = "vol-ca978112ca1bbdcafac231b39a23dc4d"
THIN_SNAPSHOT = "snap-043a718774c572bd8a25adbeb1bfcd5c"
THICK = "vol-acac86c0e609ca906f632b0e2dacccb2"
COW = "snap-2e7d2c03a9507ae265ecf5b5356885a5"


@pytest.fixture(scope="module")
def group() -> report.Group:
    return report.parse(SAMPLE)


def test_the_group_itself(group: report.Group) -> None:
    assert group.name == "vg"
    assert group.id == "0EllE8Nsf1NmXggBRlFfUkzbgWFCfcCv"
    assert (group.extent, group.extents, group.free, group.missing) == (4 * MIB, 104, 39, 0)
    assert group.metadata_free == 2608640


def test_disks_with_their_free_extents(group: report.Group) -> None:
    assert [(pv.name, pv.extents, pv.free, pv.missing) for pv in group.pvs] == [
        ("/dev/loop0", 14, 5, False),
        ("/dev/loop1", 22, 0, False),
        ("/dev/loop2", 30, 21, False),
        ("/dev/loop3", 38, 13, False),
    ]


def test_hidden_volumes_lose_their_brackets(group: report.Group) -> None:
    assert {"pool_tdata", "pool_tmeta", "vol-r1_rimage_0"} <= set(group.lvs)
    assert not [name for name in group.lvs if "[" in name]
    assert group.lvs["vol-r1_rimage_0"].parent == "vol-r1"


def test_a_thin_pool(group: report.Group) -> None:
    pool = group.lvs["pool"]
    assert pool.is_pool
    assert not pool.is_thin
    assert (pool.when_full, pool.segments[0].zero, pool.segments[0].chunk) == ("error", True, 65536)
    assert pool.metadata_size == 4 * MIB


def test_a_thin_volume_and_its_snapshot(group: report.Group) -> None:
    volume, snapshot = group.lvs[THIN], group.lvs[THIN_SNAPSHOT]
    assert (volume.pool, volume.origin, volume.size) == ("pool", "", 48 * MIB)
    assert (snapshot.pool, snapshot.origin, snapshot.size) == ("pool", THIN, 40 * MIB)
    assert volume.is_thin
    assert snapshot.is_thin
    assert not snapshot.is_cow
    assert group.snapshots_of(volume) == []


def test_a_thick_volume_and_its_snapshot(group: report.Group) -> None:
    volume, snapshot = group.lvs[THICK], group.lvs[COW]
    assert volume.ranges == ("/dev/loop1:10-21", "/dev/loop3:0-2")
    assert not volume.is_cow
    assert snapshot.is_cow
    assert snapshot.segments[0].chunk == 4096
    assert snapshot.size == 64 * MIB
    assert group.snapshots_of(volume) == [snapshot]


def test_stripes_and_images(group: report.Group) -> None:
    striped, raid = group.lvs["vol-str"], group.lvs["vol-r10"]
    assert (striped.type, striped.stripes) == ("striped", 2)
    assert striped.ranges == ("/dev/loop0:1-2", "/dev/loop2:1-2")
    assert (raid.type, raid.stripes) == ("raid10", 4)
    images = [lv for lv in group.children_of(raid) if "image" in lv.roles]
    assert [image.ranges for image in images] == [
        ("/dev/loop0:7-8",), ("/dev/loop2:7-8",), ("/dev/loop3:20-21",), ("/dev/loop3:23-24",),
    ]  # fmt: skip


def test_tags_and_what_is_packed_in_them(group: report.Group) -> None:
    volume = group.lvs[THIN]
    assert volume.object_id == "0" * 31 + "1"
    assert volume.fields["pvc"] == "data-db-0"
    assert group.lvs["vol-str"].object_id == ""
    assert group.lvs["vol-str"].tags == frozenset()


def test_the_tags_of_hidden_volumes_are_no_marks_of_ours() -> None:
    """LVM tags the metadata volumes of a RAID like the volume, and leaves them so for ever."""
    part = {"lv_name": "[made_rmeta_0]", "lv_role": "private,raid,metadata"}
    merging = {"lv_name": "[eaten]", "lv_role": "public,snapshot,thicksnapshot"}
    text = json.loads(SAMPLE)
    lvs = text["report"][0]["lv"]
    lvs.extend([{**lvs[0], "lv_tags": "hearth.creating", **row} for row in (part, merging)])
    found = report.parse(json.dumps(text)).lvs
    assert found["made_rmeta_0"].tags == frozenset()
    assert found["eaten"].tags == {"hearth.creating"}


def test_the_uuid_of_the_device(group: report.Group) -> None:
    thin = group.lvs[THIN]
    assert group.dm_uuid(thin) == "LVM-" + group.id + "De1f8rESQedUStPKR0CsTy4Qwb8DwkNh"


def test_a_missing_disk_is_seen() -> None:
    sections = json.loads(SAMPLE)
    sections["report"][0]["pv"][0]["pv_missing"] = "missing"
    sections["report"][0]["vg"][0]["vg_missing_pv_count"] = "1"
    group = report.parse(json.dumps(sections))
    assert group.missing == 1
    assert [pv.missing for pv in group.pvs] == [True, False, False, False]


def without(*path: str) -> str:
    sections = json.loads(SAMPLE)
    where: Any = sections["report"][0]
    for key in path[:-1]:
        where = where[key][0]
    del where[path[-1]]
    return json.dumps(sections)


UNREADABLE = {
    "nothing": "",
    "no JSON": "  WARNING: something\n",
    "cut off": SAMPLE[: len(SAMPLE) // 2],
    "no group": '{"report": []}',
    "two groups": json.dumps({"report": [*json.loads(SAMPLE)["report"] * 2]}),
    "no section of volumes": without("lv"),
    "a volume without size": without("lv", "lv_size"),
    "a group without extents": without("vg", "vg_extent_size"),
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_unavailable_and_never_an_empty_group(text: str) -> None:
    with pytest.raises(Unavailable, match="report"):
        report.parse(text)


def test_physical_volumes_and_their_groups() -> None:
    text = '{"report": [{"pv": [{"pv_name":"/dev/sda", "vg_name":"vg"}, '
    text += '{"pv_name":"/dev/sdb", "vg_name":""}]}]}'
    assert list(report.physical_volumes(text)) == [("/dev/sda", "vg"), ("/dev/sdb", "")]
    with pytest.raises(Unavailable, match="report"):
        list(report.physical_volumes("WARNING"))


def test_the_fake_speaks_as_lvm_does(lvm: FakeLvm) -> None:
    """Same sections, same fields in each row, and nothing but strings."""
    with life(lvm, thinPools=["pool"]) as alive:
        for layout in ("thin", "linear", "striped", "raid1", "raid10"):
            alive.snapshot(alive.volume(layout, layout=layout), layout)
    (ours,) = json.loads(lvm.run(["lvm", "fullreport", "--", "vg"]).stdout)["report"]
    (theirs,) = json.loads(SAMPLE)["report"]
    assert list(ours) == list(theirs)
    for section, rows in theirs.items():
        assert ours[section]
        assert {tuple(row) for row in ours[section]} == {tuple(row) for row in rows}
        assert {type(value) for row in ours[section] for value in row.values()} == {str}
    vocabulary = ("lv_role", "lv_merging", "lv_when_full", "lv_parent")
    seen = {row[key] for row in ours["lv"] for key in vocabulary[:3]}
    assert seen <= {row[key] for row in theirs["lv"] for key in vocabulary[:3]} | {
        "private,pool,spare"
    }
