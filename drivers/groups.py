"""The nouns of groups: volumes that belong together, and snapshots of several volumes at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType

from drivers.model import GroupSnapshotId, Snapshot, VolumeId

GroupId = NewType("GroupId", str)


@dataclass(frozen=True, slots=True)
class Group:
    """Volumes that belong together, under a ``name`` of at most 128 bytes; by id, without order."""

    id: GroupId
    name: str
    volume_ids: tuple[VolumeId, ...]


@dataclass(frozen=True, slots=True)
class GroupSnapshotSpec:
    """A snapshot of several volumes that somebody wants; ``name`` and ``labels`` as in `SnapshotSpec`."""

    name: str
    volume_ids: tuple[VolumeId, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupSnapshot:
    """A snapshot of several volumes at one moment. ``snapshots`` are its members, by id.

    ``created`` is that of each member. ``usable`` is false if a member cannot be read correctly any more, or
    somebody has taken one away. ``pause`` is for how many seconds writers were held, as far as the call that
    made it knows; it is no part of what is kept.
    """

    id: GroupSnapshotId
    snapshots: tuple[Snapshot, ...]
    created: datetime
    usable: bool = True
    pause: float | None = field(default=None, compare=False)

    @property
    def volume_ids(self) -> frozenset[VolumeId]:
        """The volumes that it was cut from."""
        return frozenset(each.volume_id for each in self.snapshots)
