"""Between tags and the model: what is written to a new LV, and what is read back from one."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from drivers.errors import Unavailable
from drivers.groups import GroupSnapshotSpec
from drivers.lvm import names
from drivers.lvm.fields import of_properties, properties
from drivers.lvm.layouts import PARAMETERS, Shape
from drivers.lvm.report import Group, Lv
from drivers.manageable import AdoptionSpec, SnapshotAdoptionSpec
from drivers.model import (
    Adoption,
    Content,
    GroupSnapshotId,
    Snapshot,
    SnapshotId,
    SnapshotSpec,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeSpec,
)

VOLUME, SNAPSHOT = "volume", "snapshot"
OLDER = (
    "LVM keeps its last changes on the disks, where 'pvck --dump metadata_all --file FILE DISK' finds"
    " them: give the tags back with lvchange --addtag"
)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The finished objects of a group by object id, and what is unfinished by LV name."""

    volumes: Mapping[str, Lv]
    snapshots: Mapping[str, Lv]


def catalogue(group: Group) -> Catalogue:
    """Sort out what is ours and finished; raises `Unavailable` if two LVs claim one id."""
    found: dict[str, dict[str, Lv]] = {VOLUME: {}, SNAPSHOT: {}}
    half_cut = unfinished_cuts(group)
    for lv in group.lvs.values():
        kind = lv.fields.get("kind", "")
        if kind not in found or not lv.object_id or {names.CREATING, names.DELETING} & lv.tags:
            continue
        if lv.tag(names.CUT) in half_cut:
            continue
        other = found[kind].get(lv.object_id)
        found[kind][lv.object_id] = lv if other is None else _successor(lv, other)
    return Catalogue(found[VOLUME], found[SNAPSHOT])


def unfinished_cuts(group: Group) -> frozenset[str]:
    """The object ids of group snapshots that are being made or removed, or were when a process died."""
    marked = (lv for lv in group.lvs.values() if names.CREATING in lv.tags)
    return frozenset(lv.tag(names.CUT) for lv in marked) - {""}


def _successor(one: Lv, other: Lv) -> Lv:
    if one.tag(names.REPLACES) == other.uuid:
        return one
    if other.tag(names.REPLACES) == one.uuid:
        return other
    raise Unavailable(
        f"logical volumes {one.name} and {other.name} both carry the id {one.object_id}:"
        f" remove the tag {names.ID}{one.object_id} from the one that is not the volume"
    )


def volume_tags(
    object_id: str,
    spec: VolumeSpec,
    shape: Shape,
    content: Content,
    source: Source | None,
    *,
    zeroed: bool = False,
) -> list[str]:
    """The tags of a new volume, the mark that it is unfinished included."""
    fields = {
        "kind": VOLUME,
        "content": content.value,
        "requested": str(spec.size.required),
        "source": told(source) if source else "",
        "zeroed": "yes" if zeroed else "",
        **shape.options,
        **of_properties(spec.properties),
    }
    return _tags(object_id, spec.name, fields)


def snapshot_tags(
    object_id: str, spec: SnapshotSpec, volume: Volume, created: datetime
) -> list[str]:
    """The tags of a new snapshot of ``volume``, the mark that it is unfinished included."""
    fields = {**_snapshot_fields(spec.labels, volume), "created": created.isoformat()}
    return _tags(object_id, spec.name, fields)


def member_tags(cut_id: str, spec: GroupSnapshotSpec, volume: Volume) -> list[str]:
    """As `snapshot_tags`, of a member of the group snapshot ``cut_id``.

    Nobody finds it by a name, and when it was cut is not known yet: `cut_at`.
    """
    fields = {
        **_snapshot_fields(spec.labels, volume),
        "group": names.digest(spec.name),
        "members": str(len(spec.volume_ids)),
    }
    marks = [f"{names.ID}{names.object_id()}", f"{names.CUT}{cut_id}", names.CREATING]
    return [*marks, *names.pack(fields)]


def cut_at(moment: datetime) -> str:
    """The tag that says when a member was cut."""
    return f"{names.CUT_AT}{moment.isoformat()}"


def _snapshot_fields(labels: Mapping[str, str], volume: Volume) -> dict[str, str]:
    return {
        "kind": SNAPSHOT,
        "content": volume.content.value,
        "volume": volume.id,
        "size": str(volume.size),
        "requested": str(volume.requested),
        "labels": json.dumps(dict(labels), sort_keys=True) if labels else "",
        **of_properties(volume.properties),
    }


def adopted_volume_tags(
    object_id: str, spec: AdoptionSpec, shape: Shape, lv: Lv, fs_type: str
) -> list[str]:
    """All tags of a volume that somebody else made; there is no moment at which it is unfinished."""
    fields = {
        "kind": VOLUME,
        "content": Content.ADOPTED.value,
        "requested": str(lv.size),
        **_adoption_fields(lv, spec),
        **shape.options,
        **of_properties(replace(spec.properties, fs_type=fs_type)),
    }
    return _finished_tags(object_id, spec.name, fields)


def adopted_snapshot_tags(
    object_id: str, spec: SnapshotAdoptionSpec, volume: Volume, lv: Lv, created: datetime
) -> list[str]:
    """All tags of a snapshot of ``volume`` that somebody else made."""
    fields = {
        "kind": SNAPSHOT,
        "content": Content.ADOPTED.value,
        "volume": volume.id,
        "size": str(lv.shown),
        "created": created.isoformat(),
        "labels": json.dumps(dict(spec.labels), sort_keys=True) if spec.labels else "",
        **_adoption_fields(lv, spec),
        **of_properties(volume.properties),
    }
    return _finished_tags(object_id, spec.name, fields)


def _adoption_fields(lv: Lv, spec: AdoptionSpec | SnapshotAdoptionSpec) -> dict[str, str]:
    return {
        "original": lv.name,
        "owner": spec.owner,
        "delete": "yes" if spec.allow_delete else "",
    }


def told(source: Source) -> str:
    """How a source stands in the tags of what was made from it."""
    return f"{source.kind.value}:{source.id}"


def with_fields(lv: Lv, **changes: str) -> tuple[frozenset[str], frozenset[str]]:
    """The tags to add and to remove so that the packed fields of ``lv`` change."""
    before = names.packed(lv.tags)
    after = frozenset(names.pack({**lv.fields, **changes}))
    return after - before, before - after


def refuse_illegible(group: Group, object_id: str) -> None:
    """Raise `Unavailable` if an LV has this id, but nothing that says what it is: it is not absent."""
    for lv in group.lvs.values():
        if (
            object_id
            and lv.object_id == object_id
            and lv.fields.get("kind") not in (VOLUME, SNAPSHOT)
        ):
            raise Unavailable(
                f"logical volume {group.name}/{lv.name} carries the id {object_id}, but its tags"
                f" {names.PREFIX}1... are lost: {OLDER}"
            )


@contextmanager
def _legible(group: Group, lv: Lv) -> Iterator[None]:
    try:
        yield
    except (LookupError, ValueError) as error:
        raise Unavailable(
            f"the tags of logical volume {group.name}/{lv.name} cannot be understood ({error}):"
            f" {OLDER}"
        ) from error


def volume(group: Group, lv: Lv) -> Volume:
    """The volume that ``lv`` is; raises `Unavailable` if its tags make no sense."""
    fields = lv.fields
    options: dict[str, str] = {key: fields[key] for key in PARAMETERS if key in fields}
    with _legible(group, lv):
        return Volume(
            id=VolumeId(f"{group.id}.{lv.object_id}"),
            size=lv.size,
            requested=int(fields.get("requested", lv.size)),
            content=Content(fields["content"]),
            properties=properties(fields),
            options=options,
            source=_source(fields.get("source", "")),
            # A pool zeroes what it hands out; a copy shows what its source had.
            zeroed=(lv.is_thin and not {"source", "original"} & fields.keys())
            or "zeroed" in fields,
            adopted=adoption(lv),
        )


def snapshot(group: Group, lv: Lv, *, usable: bool) -> Snapshot:
    """The snapshot that ``lv`` is; as `volume`.

    A thin one's size is its own, a COW area's says nothing.
    """
    fields = lv.fields
    with _legible(group, lv):
        size, requested = int(fields["size"]), int(fields.get("requested", 0))
        return Snapshot(
            id=SnapshotId(f"{group.id}.{lv.object_id}"),
            volume_id=VolumeId(fields["volume"]),
            size=size,
            requested=requested if 0 < size - requested < group.extent else 0,
            created=datetime.fromisoformat(lv.tag(names.CUT_AT) or fields["created"]),
            content=Content(fields["content"]),
            properties=properties(fields),
            labels=json.loads(fields.get("labels", "{}")),
            usable=usable,
            adopted=adoption(lv),
            group_snapshot_id=cut_of(group, lv),
        )


def cut_of(group: Group, lv: Lv) -> GroupSnapshotId | None:
    """The group snapshot that ``lv`` is a member of."""
    cut_id = lv.tag(names.CUT)
    return GroupSnapshotId(f"{group.id}.{cut_id}") if cut_id else None


def is_kept(lv: Lv) -> bool:
    """Whether an LV that somebody else made must not be deleted: without the opt-in, none is."""
    made_here = "original" not in lv.fields
    if made_here:
        return lv.fields.get("kind") == VOLUME and lv.fields.get("content") == Content.ADOPTED.value
    return "delete" not in lv.fields


def adoption(lv: Lv) -> Adoption | None:
    """What is kept of an LV that somebody else made; None for ours."""
    if not (original := lv.fields.get("original")):
        return None
    return Adoption(original, lv.fields.get("owner", ""), "delete" in lv.fields)


def _tags(object_id: str, name: str, fields: Mapping[str, str]) -> list[str]:
    return [*_finished_tags(object_id, name, fields), names.CREATING]


def _finished_tags(object_id: str, name: str, fields: Mapping[str, str]) -> list[str]:
    return [
        f"{names.ID}{object_id}",
        f"{names.NAME}{names.digest(name)}",
        *names.pack(fields),
    ]


def _source(text: str) -> Source | None:
    kind, colon, object_id = text.partition(":")
    return Source(SourceKind(kind), object_id) if colon else None
