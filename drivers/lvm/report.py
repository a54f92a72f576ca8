"""LVM's report as frozen records: one run of ``lvm fullreport`` describes the whole group.

Only facts of the metadata are asked for. What the kernel knows (active, open, fill) changes without a
change of metadata and would make the report stale; it is read from device-mapper when needed.

LVM's JSON has only strings: numbers are digits, and an empty string says "not applicable".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from drivers.errors import Unavailable
from drivers.lvm import names

VG_FIELDS = (
    "vg_name,vg_uuid,vg_extent_size,vg_extent_count,vg_free_count,vg_missing_pv_count,vg_mda_free,"
    "vg_tags"
)
PV_FIELDS = "pv_name,pv_uuid,pv_missing,pv_pe_count,pv_pe_alloc_count"
LV_FIELDS = (
    "lv_name,lv_uuid,lv_size,lv_tags,origin,origin_size,pool_lv,lv_role,lv_merging,lv_health_status,"
    "lv_metadata_size,lv_when_full,lv_parent"
)
DETAIL_FIELDS = "lv_permissions,lv_time"
"""What is asked of one LV alone: the permissions come with questions to the kernel."""
SEG_FIELDS = "lv_uuid,segtype,stripes,seg_pe_ranges,zero,chunk_size,thin_id"


TIME = "%Y-%m-%d %H:%M:%S %z"
"""LVM's own ``report/time_format``, which our configuration leaves as it is."""


@dataclass(frozen=True, slots=True)
class Pv:
    """A physical volume; counts are extents."""

    name: str
    uuid: str
    missing: bool
    extents: int
    free: int


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of an LV; ``chunk`` in bytes where it has chunks.

    ``ranges`` are LVM's ``DEVICE:FIRST-LAST`` in extents, or sub-volumes. ``thin_id`` is what the thin pool
    knows it by, None for what is in none.
    """

    type: str
    stripes: int
    ranges: tuple[str, ...]
    zero: bool
    chunk: int
    thin_id: int | None = None


@dataclass(frozen=True, slots=True)
class Lv:
    """A logical volume, hidden ones too (their names lack the brackets of LVM's listing).

    ``size`` is in bytes; for a COW snapshot it is that of the COW area, and ``shown`` what a reader sees.
    """

    name: str
    uuid: str
    size: int
    shown: int
    tags: frozenset[str]
    origin: str
    pool: str
    roles: frozenset[str]
    merging: bool
    health: str
    parent: str
    when_full: str
    metadata_size: int
    segments: tuple[Segment, ...]
    fields: Mapping[str, str]
    """What `names.pack` wrote into its tags."""

    @property
    def is_thin(self) -> bool:
        """Whether it lives in a thin pool."""
        return bool(self.pool)

    @property
    def is_cow(self) -> bool:
        """Whether it is a thick (copy-on-write) snapshot."""
        return "thicksnapshot" in self.roles

    @property
    def is_pool(self) -> bool:
        """Whether it is a thin pool."""
        return self.type == "thin-pool"

    @property
    def type(self) -> str:
        """LVM's segment type of its first segment."""
        return self.segments[0].type if self.segments else ""

    @property
    def stripes(self) -> int:
        """How many disks its first segment runs over."""
        return self.segments[0].stripes if self.segments else 1

    @property
    def thin_id(self) -> int | None:
        """What its thin pool knows it by; None for what is in none."""
        return self.segments[0].thin_id if self.segments else None

    @property
    def object_id(self) -> str:
        """Hearth's id of what this is; empty for what is not ours."""
        return self.tag(names.ID)

    def tag(self, prefix: str) -> str:
        """What follows ``prefix`` in the tag that begins with it; empty without such a tag."""
        return next((tag[len(prefix) :] for tag in self.tags if tag.startswith(prefix)), "")

    @property
    def ranges(self) -> tuple[str, ...]:
        """Where all of it lies, segment by segment."""
        return tuple(each for segment in self.segments for each in segment.ranges)


@dataclass(frozen=True, slots=True)
class Details:
    """More of one LV: whether nobody may write to it, and when it was made (None: LVM does not know)."""

    read_only: bool
    made: datetime | None


@dataclass(frozen=True, slots=True)
class Group:
    """The whole volume group at one moment; ``extent`` in bytes, counts in extents."""

    name: str
    uuid: str
    extent: int
    extents: int
    free: int
    missing: int
    metadata_free: int
    pvs: tuple[Pv, ...]
    lvs: Mapping[str, Lv] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """The backend id: LVM's UUID without dashes."""
        return self.uuid.replace("-", "")

    def dm_uuid(self, lv: Lv) -> str:
        """The device-mapper UUID of the LV's device (a pool's own device has a suffix to it)."""
        return f"LVM-{self.id}{lv.uuid.replace('-', '')}"

    def fixed(self, ranges: Iterable[str]) -> list[str]:
        """Ranges of extents as they can be written down: with UUIDs, as a disk's name may change."""
        uuids = {pv.name: pv.uuid for pv in self.pvs}
        return [_renamed(each, uuids) for each in ranges]

    def located(self, fixed: Iterable[str]) -> list[str]:
        """What `fixed` wrote down, with the names of today; raises `Unavailable` if a disk is gone."""
        paths = {pv.uuid: pv.name for pv in self.pvs}
        return [_renamed(each, paths) for each in fixed]

    def snapshots_of(self, lv: Lv) -> Sequence[Lv]:
        """The COW snapshots that cannot live without ``lv``."""
        return [each for each in self.lvs.values() if each.is_cow and each.origin == lv.name]

    def children_of(self, lv: Lv) -> Sequence[Lv]:
        """The hidden LVs that ``lv`` is made of."""
        return [each for each in self.lvs.values() if each.parent == lv.name]


def _renamed(spot: str, names: Mapping[str, str]) -> str:
    disk, _, span = spot.rpartition(":")
    if disk not in names:
        raise Unavailable(f"the disk {disk} is not in the volume group any more")
    return f"{names[disk]}:{span}"


def parse(text: str) -> Group:
    """The group in the output of ``fullreport``; raises `Unavailable` if it is not one whole group."""
    with _readable():
        (report,) = json.loads(text)["report"]
        return _group(report)


def physical_volumes(text: str) -> Iterator[tuple[str, str]]:
    """Device and group name of every physical volume in the output of ``pvs``."""
    with _readable():
        for row in json.loads(text)["report"][0]["pv"]:
            yield row["pv_name"], row["vg_name"]


def details(text: str) -> Details:
    """What the output of ``lvs`` says of its one LV."""
    with _readable():
        (row,) = json.loads(text)["report"][0]["lv"]
        made = datetime.strptime(row["lv_time"], TIME) if row["lv_time"] else None
        return Details(read_only=row["lv_permissions"].startswith("read-only"), made=made)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except (ValueError, LookupError, TypeError) as error:
        raise Unavailable(f"LVM's report cannot be read: {error!r}") from error


def _group(report: Mapping[str, Sequence[Mapping[str, str]]]) -> Group:
    (vg,) = report["vg"]
    segments = _segments(report["seg"])
    lvs = [_lv(row, segments.get(row["lv_uuid"], ())) for row in report["lv"]]
    return Group(
        name=vg["vg_name"],
        uuid=vg["vg_uuid"],
        extent=int(vg["vg_extent_size"]),
        extents=int(vg["vg_extent_count"]),
        free=int(vg["vg_free_count"]),
        missing=int(vg["vg_missing_pv_count"]),
        metadata_free=int(vg["vg_mda_free"]),
        pvs=tuple(_pv(row) for row in report["pv"]),
        lvs={lv.name: lv for lv in lvs},
        tags=frozenset(tag for tag in vg["vg_tags"].split(",") if tag),
    )


def _pv(row: Mapping[str, str]) -> Pv:
    extents = int(row["pv_pe_count"])
    return Pv(
        name=row["pv_name"],
        uuid=row["pv_uuid"],
        missing=bool(row["pv_missing"]),
        extents=extents,
        free=extents - int(row["pv_pe_alloc_count"]),
    )


def _lv(row: Mapping[str, str], segments: Sequence[Segment]) -> Lv:
    # LVM gives a new RAID volume's tags to its hidden metadata volumes too, and never takes them off:
    # what stands there is no mark of ours. A snapshot that is being merged is hidden and keeps its own.
    is_part = row["lv_role"].startswith("private,raid")
    is_cow = "thicksnapshot" in row["lv_role"]
    tags = frozenset(tag for tag in row["lv_tags"].split(",") if tag and not is_part)
    return Lv(
        name=row["lv_name"].strip("[]"),
        uuid=row["lv_uuid"],
        size=int(row["lv_size"]),
        shown=int((is_cow and row["origin_size"]) or row["lv_size"]),
        tags=tags,
        origin=row["origin"].strip("[]"),
        pool=row["pool_lv"].strip("[]"),
        roles=frozenset(row["lv_role"].split(",")),
        merging=bool(row["lv_merging"]),
        health=row["lv_health_status"],
        parent=row["lv_parent"].strip("[]"),
        when_full=row["lv_when_full"],
        metadata_size=int(row["lv_metadata_size"] or 0),
        segments=tuple(segments),
        fields=names.unpack(tags),
    )


def _segments(rows: Sequence[Mapping[str, str]]) -> dict[str, list[Segment]]:
    found: dict[str, list[Segment]] = {}
    for row in rows:
        segment = Segment(
            type=row["segtype"],
            stripes=int(row["stripes"] or 0),
            ranges=tuple(row["seg_pe_ranges"].split()),
            zero=row["zero"] == "zero",
            chunk=int(row["chunk_size"] or 0),
            thin_id=int(row["thin_id"]) if row["thin_id"] else None,
        )
        found.setdefault(row["lv_uuid"], []).append(segment)
    return found
