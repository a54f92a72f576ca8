"""What LVM must show after a storm: one logical volume for each name, with its size and its tags."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from drivers.lvm import names as tags
from drivers.lvm.growth import cow_extents
from tests.integration import served
from tests.integration.storm import plan
from tests.integration.storm.history import OK, Event
from tests.integration.storm.settle import Made, Settled

CHUNK = 4096  # of a COW snapshot, LVM's default


@dataclass(frozen=True, slots=True)
class Row:
    """A logical volume; ``plain`` are the tags beside the packed ones, which are ``fields``.

    What it holds depends on when a copy was cut, so `contents` judges it.
    """

    size: int
    plain: frozenset[str]
    fields: tuple[tuple[str, str], ...]
    content: str = field(default="", compare=False)
    requested: str = field(default="", compare=False)


def expected(names: plan.Plan, found: Settled, extent: int) -> dict[str, Row]:
    """The rows that there must be, by LV name."""
    rows = {}
    for volume in names.volumes:
        if made := found.volumes.get(volume.name):
            rows[lv_name(volume.name)] = _volume(volume, made)
    for snapshot in names.snapshots:
        if made := found.snapshots.get(snapshot.name):
            rows[f"snap-{_hash(snapshot.name)}"] = _snapshot(snapshot, made, found, extent)
    return rows


def shown(group: str, pool: str) -> dict[str, Row]:
    """The rows that there are, without the pool and what LVM hides."""
    report = served.lvm(
        "lvs", "--reportformat", "json", "--units", "b", "--nosuffix",
        "--options", "lv_name,lv_size,lv_tags", group,
    )  # fmt: skip
    found = json.loads(report)["report"][0]["lv"]
    return {row["lv_name"]: _row(row) for row in found if row["lv_name"] != pool}


def lv_name(volume: str) -> str:
    """The logical volume of a volume's name."""
    return f"vol-{_hash(volume)}"


def contents(events: Sequence[Event], volume_id: str) -> set[str]:
    """What a volume may be said to hold: only who staged it as a device may have filled it."""
    staged = [each for each in events if (each.method, each.key) == ("NodeStageVolume", volume_id)]
    if any(each.code == OK for each in staged):
        return {"formatted", "inherited"}
    return {"blank", "inherited", "formatted"} if staged else {"blank", "inherited"}


def requests(volume: plan.Volume) -> set[str]:
    """The sizes that it may have been asked for with: whichever call was the first."""
    return {str(size) for size in (plan.COPIED if volume.kind else plan.SIZES)}


def _row(row: Mapping[str, str]) -> Row:
    marks = frozenset(row["lv_tags"].split(","))
    fields = tags.unpack(marks)
    content, requested = fields.pop("content", ""), fields.pop("requested", "")
    packed = tuple(sorted(fields.items()))
    return Row(int(row["lv_size"]), marks - tags.packed(marks), packed, content, requested)


def _volume(wanted: plan.Volume, made: Made) -> Row:
    request = made.request
    source = request.volume_content_source
    fields = {
        "kind": "volume",
        "layout": wanted.layout,
        "mode": "block",
        "modes": "SINGLE_NODE_WRITER",
        "pvc": wanted.claim,
    }
    if wanted.kind:
        told = source.snapshot.snapshot_id or source.volume.volume_id
        fields["source"] = f"{wanted.kind}:{told}"
    return Row(plan.FINAL, _plain(wanted.name, made.id), tuple(sorted(fields.items())))


def _snapshot(wanted: plan.Snapshot, made: Made, found: Settled, extent: int) -> Row:
    size = made.answer.size_bytes
    created = made.answer.creation_time
    fields = {
        "kind": "snapshot",
        "volume": made.request.source_volume_id,
        "size": str(size),
        "created": f"{created.ToDatetime().isoformat()}+00:00",
        "mode": "block",
        "modes": "SINGLE_NODE_WRITER",
        "pvc": wanted.of.claim,
    }
    # The area of a thick one has grown with its volume.
    area = cow_extents(plan.FINAL, CHUNK, extent) * extent
    taken = size if wanted.of.layout == "thin" else area
    return Row(taken, _plain(wanted.name, made.id), tuple(sorted(fields.items())))


def _plain(name: str, identifier: str) -> frozenset[str]:
    object_id = identifier.partition(".")[2]
    return frozenset({f"hearth.id={object_id}", f"hearth.name={_hash(name)}"})


def _hash(name: str) -> str:
    return sha256(name.encode()).hexdigest()[:32]
