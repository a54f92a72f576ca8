"""From what is asked for to what is written down, and from that to what is told."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

from drivers.errors import OutOfRange
from drivers.loop.records import SnapshotRecord, VolumeRecord
from drivers.loop.room import ALIGNMENT, round_up
from drivers.loop.shelf import Entry
from drivers.model import (
    Content,
    Snapshot,
    SnapshotId,
    SnapshotSpec,
    Volume,
    VolumeId,
    VolumeSpec,
)

DATA = "data"


def size_of(spec: VolumeSpec) -> int:
    """The bytes of the volume to make; raises `OutOfRange` if rounding up breaks the limit."""
    size = round_up(spec.size.required)
    if size not in spec.size:
        raise OutOfRange(
            f"sizes are multiples of {ALIGNMENT} bytes here, and {spec.size.required} rounded up is"
            f" above the limit of {spec.size.limit}"
        )
    return size


def volume_record(spec: VolumeSpec) -> VolumeRecord:
    """What is written of a new, empty volume."""
    return VolumeRecord(
        id=uuid.uuid4().hex,
        name=spec.name,
        file=DATA,
        content=Content.BLANK,
        properties=spec.properties,
        requested=spec.size.required,
        options=dict(spec.options),
    )


def snapshot_record(spec: SnapshotSpec, origin: VolumeRecord) -> SnapshotRecord:
    """What is written of a snapshot that is cut now."""
    return SnapshotRecord(
        id=uuid.uuid4().hex,
        name=spec.name,
        file=DATA,
        content=origin.content,
        properties=origin.properties,
        volume_id=spec.volume_id,
        created=datetime.now(UTC),
        labels=dict(spec.labels),
        requested=origin.requested,
    )


def inherited(content: Content) -> Content:
    """What a copy of that content holds: a filesystem that was copied is not the copy's own."""
    return content if content in (Content.BLANK, Content.FORMATTING) else Content.INHERITED


def volume(backend_id: str, entry: Entry[VolumeRecord]) -> Volume:
    """What is told of a volume."""
    record = entry.record
    return Volume(
        id=VolumeId(f"{backend_id}.{record.id}"),
        size=entry.size,
        requested=record.requested,
        content=record.content,
        properties=record.properties,
        options=record.options,
        source=record.source,
        # Files begin as holes, and a copy of what nobody wrote to is one.
        zeroed=True,
    )


def snapshot(backend_id: str, entry: Entry[SnapshotRecord]) -> Snapshot:
    """What is told of a snapshot."""
    record = entry.record
    return Snapshot(
        id=SnapshotId(f"{backend_id}.{record.id}"),
        volume_id=VolumeId(record.volume_id),
        size=entry.size,
        created=record.created,
        content=record.content,
        properties=record.properties,
        labels=record.labels,
        requested=record.requested if 0 < entry.size - record.requested < ALIGNMENT else 0,
    )
