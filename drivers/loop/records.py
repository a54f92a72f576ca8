"""What is written down about each object, as JSON beside its bytes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from drivers.model import Content, Properties, Source


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What volumes and snapshots have in common.

    ``id`` is the object's own, without the backend's. ``file`` names the file with the bytes, so that
    one replacement of the record exchanges the bytes and everything that is said of them together.
    Keys that a later version adds are ignored.
    """

    id: str
    name: str
    file: str
    content: Content
    properties: Properties


class VolumeRecord(Record, frozen=True, kw_only=True):
    """``requested`` is in bytes, as asked for at creation."""

    requested: int
    options: dict[str, str]
    source: Source | None = None
    shares: bool = False
    """Whether some blocks were another object's when it was made."""


class SnapshotRecord(Record, frozen=True, kw_only=True):
    """``volume_id`` is the full id of the volume it was cut from, ``requested`` what that was asked for."""

    volume_id: str
    created: datetime
    labels: dict[str, str]
    requested: int = 0
