"""What an administrator may say about an LVM backend, checked while the configuration is read."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec

from drivers.model import MIB

# LVM's own rule; a leading dash would be read as an option.
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,62}\Z")]
Ratio = Annotated[float, msgspec.Meta(gt=0, le=1)]
Folder = Annotated[str, msgspec.Meta(pattern=r"^/[^\x00]+\Z")]


class Layout(Enum):
    """How a volume lies on the disks."""

    THIN = "thin"
    LINEAR = "linear"
    STRIPED = "striped"
    RAID1 = "raid1"
    RAID10 = "raid10"


class Wipe(Enum):
    """What is done to extents that a thick volume gives back."""

    ZERO = "zero"
    DISCARD = "discard"
    NONE = "none"


class WipeOn(Enum):
    """When thick extents are wiped: when given back, or also when handed out."""

    DELETE = "delete"
    BOTH = "both"


class Options(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"
):
    """The keys of an LVM backend in the node's configuration, beside ``name`` and ``driver``."""

    volume_group: Name
    """The volume group. It belongs to this backend alone."""
    thin_pools: tuple[Name, ...] = ()
    """The thin pools for layout ``thin``; a new volume goes to the one with the most room."""
    layout: Layout | None = None
    """The layout of volumes whose StorageClass names none; ``thin`` if there are thin pools,
    otherwise ``linear``."""
    stripes: Annotated[int, msgspec.Meta(ge=2, le=64)] = 2
    """How many disks a ``striped`` volume is spread over, and half of a ``raid10`` volume's."""
    overcommit: Annotated[float, msgspec.Meta(ge=0.1, le=1000)] = 1.0
    """How much may be promised from a thin pool, as a multiple of its size."""
    reserve: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Bytes of the volume group that thick volumes and snapshots must leave free."""
    data_watermark: Ratio = 0.95
    """The fill of a pool's data above which new volumes and snapshots in it are refused."""
    metadata_watermark: Ratio = 0.70
    """The same for its metadata. LVM itself refuses from about 0.75 on."""
    wipe: Wipe = Wipe.ZERO
    """What is done to the extents of a deleted thick volume or snapshot before others get them."""
    wipe_on: WipeOn = WipeOn.DELETE
    """``both`` also zeroes a thick volume when it is made, for a group whose free extents may hold
    the data of others."""
    runtime_directory: Folder = "/run/hearth/lvm"
    """Where the private LVM configuration of each backend is written; need not survive a reboot."""

    backup_directory: Folder | None = "/var/lib/hearth-csi/backup"
    """Where the group's metadata is copied to some seconds after a change, into a folder of the
    group's name, for ``vgcfgrestore``; the last ten copies are kept. It should be on no disk of
    the group. ``null`` for no copies."""

    def __post_init__(self) -> None:
        """Refuse what no single key shows; msgspec adds where it stands."""
        if len(set(self.thin_pools)) < len(self.thin_pools):
            raise ValueError("thinPools names a pool twice, whose room would count twice")

    @property
    def default_layout(self) -> Layout:
        """See ``layout``."""
        return self.layout or (Layout.THIN if self.thin_pools else Layout.LINEAR)


ENDS = MIB
"""The first and last bytes of a thick volume that are always zeroed when it is made, so that a
signature of whoever had these extents before is never taken for its content."""
