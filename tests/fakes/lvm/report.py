"""What LVM says of the group, in the shape of its JSON: nothing but strings, hidden names in brackets."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.fakes.lvm.state import CHUNK, EXTENT, Disk, Logical, State

Row = dict[str, str]
POOL_CHUNK = 65536


def full(state: State) -> str:
    """The output of ``lvm fullreport --all`` with the fields that the driver asks for."""
    lvs = sorted(state.lvs.values(), key=lambda lv: lv.name)
    segments = sorted((lv for lv in lvs), key=lambda lv: lv.uuid)
    sections = {
        "vg": [_group(state)],
        "pv": [_disk(state, disk) for disk in state.disks.values()],
        "lv": [_lv(state, lv) for lv in lvs],
        "pvseg": [{"pvseg_start": "0"}],
        "seg": [row for lv in segments for row in _segments(state, lv)],
    }
    return json.dumps({"report": [sections]}, indent=2)


def write(state: State, copy: Path) -> None:
    """What ``lvm vgcfgbackup`` writes: the time, and the group with the number of its last change."""
    lvs = "".join(f"\t\t{lv.name} {{\n\t\t}}\n" for lv in state.lvs.values())
    copy.write_text(
        'contents = "Text Format Volume Group"\n\n'
        f"creation_time = {time.time_ns()}\t# now\n\n"
        f"{state.name} {{\n\tseqno = {state.seqno}\n\tlogical_volumes {{\n{lvs}\t}}\n}}\n"
    )


def physical(state: State, others: dict[str, str]) -> str:
    """The output of ``lvm pvs``; ``others`` are disks of other groups."""
    rows = [
        {"pv_name": "[unknown]" if disk.missing else path, "vg_name": state.name}
        for path, disk in state.disks.items()
    ]
    rows += [{"pv_name": path, "vg_name": group} for path, group in others.items()]
    return json.dumps({"report": [{"pv": rows}]}, indent=2)


def details(lv: Logical) -> str:
    """The output of ``lvm lvs`` for one volume, with the fields that the driver asks for."""
    permissions = "read-only" if lv.read_only else "writeable"
    row = {"lv_permissions": permissions, "lv_time": "2026-11-30 00:06:44 +0000"}
    return json.dumps({"report": [{"lv": [row]}]}, indent=2)


def _group(state: State) -> Row:
    disks = state.disks.values()
    return {
        "vg_name": state.name,
        "vg_uuid": state.uuid,
        "vg_extent_size": str(EXTENT),
        "vg_extent_count": str(sum(len(disk.content) for disk in disks)),
        "vg_free_count": str(sum(len(state.free(disk.name)) for disk in disks)),
        "vg_missing_pv_count": str(sum(disk.missing for disk in disks)),
        "vg_mda_free": "2608640",
        "vg_tags": ",".join(sorted(state.tags)),
    }


def _disk(state: State, disk: Disk) -> Row:
    used = len(disk.content) - len(state.free(disk.name))
    return {
        "pv_name": "[unknown]" if disk.missing else disk.name,
        "pv_uuid": disk.uuid,
        "pv_missing": "missing" if disk.missing else "",
        "pv_pe_count": str(len(disk.content)),
        "pv_pe_alloc_count": str(used),
    }


def _lv(state: State, lv: Logical) -> Row:
    return {
        "lv_name": _shown(lv),
        "lv_uuid": lv.uuid,
        "lv_size": str(lv.extents * EXTENT),
        "lv_tags": ",".join(sorted(lv.tags)),
        "origin": _name(state, lv.origin),
        "origin_size": str(lv.shown * EXTENT) if lv.is_cow else "",
        "pool_lv": _name(state, lv.pool),
        "lv_role": ",".join([lv.roles, *_relations(state, lv)]),
        "lv_merging": "merging" if lv.merging else "",
        "lv_health_status": "partial" if is_partial(state, lv) else lv.health,
        "lv_metadata_size": str(EXTENT) if lv.type == "thin-pool" else "",
        "lv_when_full": lv.when_full,
        "lv_parent": _name(state, lv.parent),
    }


def is_partial(state: State, lv: Logical) -> bool:
    """Whether some of it is on a disk that is missing."""
    parts = [lv, *state.children(lv)]
    return any(state.disks[span.disk].missing for each in parts for span in each.spans)


def raid(state: State, lv: Logical, failed: set[str]) -> str:
    """What the kernel says of a RAID volume when it has given the disks in ``failed`` up."""
    images = (state.lvs[image].spans[0].disk for image in lv.images)
    states = "".join("D" if disk in failed else "A" for disk in images)
    return f"{lv.type} {len(lv.images)} {states} 8192/8192 idle 0 0 -"


def _relations(state: State, lv: Logical) -> list[str]:
    kind = "thin" if lv.type == "thin" else "thick"
    held = [each for each in state.lvs.values() if each.origin == lv.uuid]
    origin = ["origin", f"{kind}origin"] if held else []
    return [*origin, *(["snapshot", f"{kind}snapshot"] if lv.origin else [])]


def _segments(state: State, lv: Logical) -> list[Row]:
    if lv.images:
        last = lv.extents * 2 // len(lv.images) - 1
        parts = (state.lvs[image].name for image in lv.images)
        return [_segment(lv, len(lv.images), " ".join(f"{part}:0-{last}" for part in parts))]
    if lv.type == "thin-pool":
        (data,) = (each for each in state.children(lv) if each.roles.endswith(",data"))
        return [_segment(lv, 1, f"{data.name}:0-{lv.extents - 1}")]
    if lv.type == "thin":
        return [_segment(lv, 0, "")]
    return [_segment(lv, len(spans), " ".join(map(str, spans))) for spans in lv.segments]


def _segment(lv: Logical, stripes: int, ranges: str) -> Row:
    zero = {True: "zero", False: ""}[lv.zeroes] if lv.type.startswith("thin") else "unknown"
    chunk = POOL_CHUNK if lv.type == "thin-pool" else CHUNK if lv.is_cow else 0
    return {
        "lv_uuid": lv.uuid,
        "segtype": lv.type,
        "stripes": str(stripes),
        "seg_pe_ranges": ranges,
        "zero": zero,
        "chunk_size": str(chunk),
        "thin_id": str(lv.thin_id) if lv.type == "thin" else "",
    }


def _name(state: State, uuid: str) -> str:
    return _shown(state.lvs[uuid]) if uuid else ""


def _shown(lv: Logical) -> str:
    return lv.name if lv.roles.startswith("public") or lv.type == "thin-pool" else f"[{lv.name}]"
