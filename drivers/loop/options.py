"""The configuration of a loop backend, checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from drivers.model import MIB

Ratio = Annotated[float, msgspec.Meta(ge=1.0, le=1000.0)]
Share = Annotated[float, msgspec.Meta(ge=0.0, le=0.9)]
Bytes = Annotated[int, msgspec.Meta(ge=MIB)]
Reflink = Literal["auto", "always", "never"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """Where the files are and how much of the place may be handed out."""

    directory: Path
    """The folder that holds everything. It must exist; the backend makes itself at home in it if it
    is empty."""
    capacity: Bytes | None = None
    """Bytes to hand out in all; without it, what the filesystem has."""
    overcommit: Ratio = 1.0
    """How many times each byte may be promised. At 1 a volume never runs out of blocks."""
    reserve: Share = 0.02
    """The share of the filesystem that is never handed out: it needs room for its own records."""
    reflink: Reflink = "auto"
    """Whether copies share blocks: where the filesystem can, always (refused where it cannot), never."""
    own_mount: bool = False
    """Refuse to start unless the directory is a mount point, so that a disk that was not mounted does
    not turn into files on the root filesystem."""
