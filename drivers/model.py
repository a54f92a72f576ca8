"""The nouns that every layer speaks: frozen, sizes in int bytes, closed sets as enums.

They are the whole language between the protocol layers and a driver, so that a driver author never
sees a protobuf message and a protocol author never sees a logical volume.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import NewType

VolumeId = NewType("VolumeId", str)
SnapshotId = NewType("SnapshotId", str)
GroupSnapshotId = NewType("GroupSnapshotId", str)

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30


class Special(Enum):
    """A capacity that is no number, in the words of Cinder's volume stats."""

    UNKNOWN = "unknown"
    INFINITE = "infinite"


UNKNOWN = Special.UNKNOWN
INFINITE = Special.INFINITE
Capacity = int | Special


class VolumeMode(Enum):
    """What a pod sees: a mounted filesystem, or the device itself."""

    FILESYSTEM = "filesystem"
    BLOCK = "block"


class FsType(Enum):
    """The filesystems a volume can be given."""

    EXT4 = "ext4"
    XFS = "xfs"
    BTRFS = "btrfs"

    @property
    def minimum_size(self) -> int:
        """The bytes of the smallest device that its mkfs accepts and that can be mounted then."""
        # Tried with e2fsprogs 1.47 (1 MiB gets no journal), xfsprogs 6.1, btrfs-progs 6.2.
        return {FsType.EXT4: 2 * MIB, FsType.XFS: 300 * MIB, FsType.BTRFS: 109 * MIB}[self]


class SourceKind(Enum):
    """What a volume was filled from."""

    SNAPSHOT = "snapshot"
    VOLUME = "volume"


class Content(Enum):
    """What a volume holds as far as its maker knows: it decides whether mkfs may ever run.

    Kept with the volume by the driver (`set_content`), so that a crash between two steps of staging
    is told from a volume that somebody filled.
    """

    BLANK = "blank"
    """Made empty by us (see `Volume.zeroed`), never formatted: mkfs is allowed if a probe agrees."""
    FORMATTING = "formatting"
    """Our mkfs was begun and nothing was ever mounted: mkfs may run again over what it left."""
    FORMATTED = "formatted"
    """It has a filesystem: never format."""
    INHERITED = "inherited"
    """A copy of another volume, whose filesystem still has the source's UUID: never format."""
    ADOPTED = "adopted"
    """Made by somebody else and handed over: never format, never wipe, never change its UUID."""


@dataclass(frozen=True, slots=True)
class Source:
    """The snapshot or volume whose content a volume starts with; ``id`` is that object's id."""

    kind: SourceKind
    id: str


@dataclass(frozen=True, slots=True)
class SizeRange:
    """The sizes a caller accepts, in bytes: at least ``required``, at most ``limit`` (None: any)."""

    required: int
    limit: int | None = None

    def __contains__(self, size: int) -> bool:
        return self.required <= size and (self.limit is None or size <= self.limit)


@dataclass(frozen=True, slots=True)
class Properties:
    """What a PersistentVolume needs to be written again from the backend alone.

    All of it are strings of other people: data, never part of a command without validation.
    An empty string or tuple says "not told". ``image`` is the SHA-256 of the image that the volume was
    made to begin with: beside a content that is BLANK or FORMATTING it says that not all of it is there.
    """

    mode: VolumeMode = VolumeMode.FILESYSTEM
    fs_type: str = ""
    access_modes: tuple[str, ...] = ()
    pvc_name: str = ""
    pvc_namespace: str = ""
    pv_name: str = ""
    storage_class: str = ""
    mkfs_options: str = ""
    image: str = ""


@dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A volume somebody wants.

    ``name`` is the caller's name, any Unicode of at most 128 bytes; it is the key of idempotency.
    ``options`` are the driver's own StorageClass parameters without their prefix (``layout``...),
    already restricted to the keys in the driver's ``PARAMETERS``.
    """

    name: str
    size: SizeRange
    properties: Properties = Properties()
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Adoption:
    """What is kept of an object that somebody else made: its ``original`` name there, the ``owner`` who
    asked for it, and whether it may be deleted (``allow_delete``)."""

    original: str
    owner: str
    allow_delete: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume that exists and is finished.

    ``size`` is its true size now, ``requested`` the bytes asked for when it was created, which rounding
    and growth do not change. ``options`` are the effective values of the driver's parameters, as
    strings. ``zeroed`` promises that every byte reads as zero while the
    content is BLANK; without it, only the first and the last MiB do, and between them may lie what
    somebody else left: whoever relies on zeros must write them. ``adopted`` is None for a volume that
    was made here.
    """

    id: VolumeId
    size: int
    requested: int
    content: Content
    properties: Properties = Properties()
    options: Mapping[str, str] = field(default_factory=dict)
    source: Source | None = None
    zeroed: bool = False
    adopted: Adoption | None = None

    @property
    def is_partial(self) -> bool:
        """Whether it is being filled from an image, or was when that broke off: nobody may use it."""
        unfinished = self.content in (Content.BLANK, Content.FORMATTING)
        return unfinished and bool(self.properties.image)


@dataclass(frozen=True, slots=True)
class SnapshotSpec:
    """A snapshot somebody wants; ``name`` as in `VolumeSpec`.

    ``labels`` are metadata to keep with it (namespace and name of a VolumeSnapshot...).
    """

    name: str
    volume_id: VolumeId
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that exists. ``size`` is the least size in bytes of a volume made from it.

    ``requested`` is what to ask for at least: less than ``size`` if the source was asked for less than it
    has, and asking for as much again is rounded up to as much. 0 stands for ``size``.
    ``created`` is aware, and the same on every read. ``content`` is what the source held at the cut.
    ``usable`` is false once it can no longer be read correctly (an overflown COW area).
    ``group_snapshot_id`` is that of the group snapshot which it is a member of, and goes with.
    """

    id: SnapshotId
    volume_id: VolumeId
    size: int
    created: datetime
    content: Content
    properties: Properties = Properties()
    labels: Mapping[str, str] = field(default_factory=dict)
    usable: bool = True
    adopted: Adoption | None = None
    group_snapshot_id: GroupSnapshotId | None = None
    requested: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """An active device on this node, ``size`` in bytes.

    ``dm_uuid`` is what device-mapper says the device is (``LVM-...``); a caller compares it with the
    device it opened. It is empty for devices that are not device-mapper's: ``backing_file`` then says
    which file a loop device must have behind it. A connection with neither is used by nobody. Where
    it is the ``path`` itself, the volume is that plain file: images go in and out, and no node mounts it.
    """

    path: Path
    size: int
    dm_uuid: str = ""
    backing_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A background job: what it does to which object, and how far it is, in bytes."""

    job: str
    object_id: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Image:
    """What was copied to or from an image: ``size`` in bytes and the hex digest of exactly these."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class VolumeStats:
    """What a backend tells about itself; in Cinder's words, capacities in bytes.

    ``max_volume_size`` is the largest volume that a create would serve now, exactly, and every size is
    rounded up to a multiple of ``allocation_unit`` (extents times stripes): a caller with a limit has
    to know before anything has grown past it.
    ``data_ratio`` and ``metadata_ratio`` (0 to 1) are the fill of a thin pool, None without one.
    ``wiping`` deleted volumes are still to be wiped; the last try failed for ``unwipeable`` of them, and
    ``wiped`` bytes were wiped since the driver was made. ``missing_disks`` and ``degraded``, the volumes
    and pools that have lost a copy of their data, are also told while the backend serves nothing.
    ``unhealthy`` is empty, or says in a sentence why it does. ``warning`` is empty, or says what a person
    must see to although it serves (a pool above its watermark), in the same words for as long as it is so.
    ``absent`` is not the driver's to tell: it
    says that the storage is not on this node, as `Absent` does.
    ``revision`` is another one after every change of what is in the storage that was seen, whoever made
    it; empty where a driver cannot tell. ``copied`` is when the storage's metadata were last copied to
    where they outlive it, and ``uncopied`` for how many seconds a change has waited for that; None where
    no copies are made.
    """

    driver_version: str
    vendor_name: str
    volume_backend_name: str
    storage_protocol: str
    total_capacity: Capacity
    free_capacity: Capacity
    provisioned_capacity: int = 0
    max_volume_size: Capacity = UNKNOWN
    allocation_unit: int = 1
    data_ratio: float | None = None
    metadata_ratio: float | None = None
    volumes: int = 0
    snapshots: int = 0
    wiping: int = 0
    unwipeable: int = 0
    wiped: int = 0
    missing_disks: int = 0
    degraded: int = 0
    jobs: Sequence[Progress] = ()
    unhealthy: str = ""
    warning: str = ""
    absent: bool = False
    revision: str = ""
    copied: datetime | None = None
    uncopied: float | None = None
