"""Which module of the kernel LVM lacked, from its words.

LVM starts modprobe itself for a device-mapper target that is not there, so nothing has to be loaded for it.
But what it says where that failed names no module that a person could load, or, for the RAID code below
the target, nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from drivers.errors import CommandFailed, MissingModule

WORDS = re.compile(
    r"(\S+): Required device-mapper target\(s\) not detected"
    r"|(\S+) target support missing from kernel"
)
MODPROBE = re.compile(r"^.*modprobe: .*$|^.*modprobe: \w+ failed: .*$", re.M)
SILENT = "Failure to communicate with kernel device-mapper driver"
REFUSED = re.compile(r"reload ioctl .* failed: Invalid argument")
MODULES: Mapping[str, str] = MappingProxyType(
    {"thin-pool": "dm_thin_pool", "thin": "dm_thin_pool", "mirror": "dm_mirror"}
)
PERSONALITIES = Path("/proc/mdstat")
"""Where the kernel tells for which RAID levels it has the code."""


def missing(failed: CommandFailed) -> MissingModule | None:
    """The module without which LVM could not do it; None if it was not for that."""
    if SILENT in failed.stderr:
        return MissingModule("dm_mod", "LVM needs")
    if (found := WORDS.search(failed.stderr)) is None:
        return None
    kind = found[1] or found[2]
    tried = MODPROBE.search(failed.stderr)
    return MissingModule(_module(kind), f"LVM needs for {kind}", tried[0].strip() if tried else "")


def missing_personality(
    kind: str, failed: CommandFailed, told: Path = PERSONALITIES
) -> MissingModule | None:
    """As `missing`, for what the RAID target itself needs: then the kernel refuses the table.

    ``kind`` is the type of the volume that was to be made or activated.
    """
    if kind not in ("raid1", "raid10") or not REFUSED.search(failed.stderr):
        return None
    try:
        loaded = told.read_text()
    except OSError:
        return None
    return None if f"[{kind}]" in loaded else MissingModule(kind, f"LVM needs for {kind}")


def _module(kind: str) -> str:
    return "dm_raid" if kind.startswith("raid") else MODULES.get(kind, f"dm_{kind}")
