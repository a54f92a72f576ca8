"""What a storage already holds, and how it is handed over: the nouns of managing what exists.

Cinder's words: to *manage* an object is to take over one that somebody else made, to *unmanage* it is
to let go of it and leave it where it is. Sizes are exact bytes: Cinder rounds what LVM has rounded, and
records a size below the true one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from drivers.model import Properties, VolumeMode


@dataclass(frozen=True, slots=True)
class Reference:
    """Which object of a storage is meant: its ``name`` there, its ``uuid`` there, or both.

    A request needs one of them; where it gives both, both must be right, so that an object that was
    renamed since somebody looked is not mistaken. An answer has both, as far as the storage has them.
    """

    name: str = ""
    uuid: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.uuid and f"(UUID {self.uuid})")))


class Hindrance(Enum):
    """Why an object cannot be brought in. The value is for programs; words come with it for people."""

    MANAGED = "managed"
    """It is a volume or snapshot of this driver already."""
    IN_WORK = "in-work"
    """It is this driver's, which is making or removing it now."""
    UNFINISHED = "unfinished"
    """It is this driver's, and nobody works on it: what made or removed it broke off."""
    FOREIGN = "foreign"
    """It carries the mark of another program that manages it."""
    OPEN = "open"
    """It is mounted, or something else has it open."""
    POOL = "pool"
    """It is a pool: volumes live in it, and it is none."""
    PART_OF_POOL = "part-of-pool"
    """It is the data, the metadata or the spare of a pool."""
    RAID_IMAGE = "raid-image"
    """It is an image or the metadata of a RAID volume."""
    HIDDEN = "hidden"
    """It is an inner part of another object."""
    SNAPSHOT = "snapshot"
    """It is a snapshot, and a volume was asked for."""
    VOLUME = "volume"
    """It is a volume, and a snapshot was asked for."""
    ORIGIN = "unmanaged-origin"
    """It is a snapshot of something that is no volume of this driver."""
    OVERFLOWED = "overflowed"
    """It is a snapshot that ran out of room and cannot be read."""
    MERGING = "merging"
    """A snapshot is being merged into it, or it is that snapshot."""
    LAYOUT = "layout"
    """It is of a kind that this driver cannot keep its promises with."""
    UNKNOWN_POOL = "unknown-pool"
    """It lives in a pool that the backend's configuration does not name."""
    READ_ONLY = "read-only"
    """Nobody may write to it."""
    MISSING_DISK = "missing-disk"
    """Some of it, or of the storage that would keep the record, lies on a disk that is not there."""
    UNREADABLE = "unreadable"
    """What it holds could not be told."""
    UNKNOWN_FILESYSTEM = "unknown-filesystem"
    """It holds no filesystem that a node could mount. As a block volume it can be brought in."""
    DAMAGED_FILESYSTEM = "damaged-filesystem"
    """Its filesystem says of itself that it needs a repair, or is larger than the object."""


OF_CONTENT = frozenset({Hindrance.UNKNOWN_FILESYSTEM, Hindrance.DAMAGED_FILESYSTEM})
"""What hinders a filesystem volume only: to a block volume its content is nobody's business."""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A hindrance, and what a person has to know of it: the fact and what to change."""

    hindrance: Hindrance
    words: str


@dataclass(frozen=True, slots=True)
class Found:
    """What an object holds: ``type`` as blkid names it, empty for nothing known, and the mode that fits."""

    type: str
    mode: VolumeMode


@dataclass(frozen=True, slots=True)
class Manageable:
    """An object of the storage, and whether it can be brought in.

    ``obstacle`` is None where nothing speaks against it. ``manager`` is who provably manages it:
    ``hearth``, the name of another program, or empty; ``id`` is its id and ``owner`` who brought it in,
    if it is ours. ``found`` is None where nobody looked. ``origin`` is what it is a snapshot of.
    """

    reference: Reference
    size: int
    obstacle: Obstacle | None = None
    manager: str = ""
    id: str = ""
    owner: str = ""
    found: Found | None = None
    origin: Reference | None = None

    @property
    def safe(self) -> bool:
        """Whether it can be brought in as it is."""
        return self.obstacle is None


@dataclass(frozen=True, slots=True)
class AdoptionSpec:
    """How somebody wants an existing object to become a volume.

    ``name`` is the caller's name, as in `VolumeSpec`: the key of idempotency. ``owner`` says who asks
    (the UID of a resource): a repeated call of the same owner finds its volume, and nobody else gets
    it. ``properties.fs_type`` may be empty: then it is what the object holds. ``allow_delete`` is the
    opt-in without which the volume is never deleted.
    """

    name: str
    owner: str
    properties: Properties = field(default_factory=Properties)
    allow_delete: bool = False


@dataclass(frozen=True, slots=True)
class SnapshotAdoptionSpec:
    """How somebody wants an existing object to become a snapshot; as `AdoptionSpec`.

    Of which volume it is, is what the storage says; its properties are that volume's.
    """

    name: str
    owner: str
    labels: Mapping[str, str] = field(default_factory=dict)
    allow_delete: bool = False


class Sort(Enum):
    """What a list is in the order of; names settle what is alike."""

    NAME = "name"
    SIZE = "size"


@dataclass(frozen=True, slots=True)
class Query:
    """Which part of a list is wanted: at most ``limit`` entries (None: all) after ``token``.

    ``token`` is empty or the ``next`` of an earlier page. ``probe`` asks what each object of the page
    holds and whether that speaks against it, for which inactive ones are activated for a moment.
    """

    sort: Sort = Sort.NAME
    descending: bool = False
    limit: int | None = None
    token: str = ""
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list; ``next`` is the token of what follows, empty at the end.

    What is made or removed between two pages may be missed; nothing is listed twice for that.
    """

    entries: tuple[Manageable, ...]
    next: str = ""
