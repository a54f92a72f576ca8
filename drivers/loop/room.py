"""How much may still be promised: the arithmetic of capacity, in bytes.

What a volume may yet take from the filesystem is a *claim*. It is the volume's size less the blocks it
has, or its whole size where it shares blocks with a snapshot or a clone: each write to such a block needs
a new one. A snapshot is never written, so its blocks count and it claims nothing. Without overcommitment
the claims never exceed what is free, so that a volume never meets a full filesystem.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from drivers.loop.options import Options
from drivers.loop.records import SnapshotRecord, VolumeRecord
from drivers.loop.shelf import Entry
from drivers.model import MIB

ALIGNMENT = MIB
"""Sizes are multiples of this: of every filesystem's block, and easy to read."""

Volumes = Sequence[Entry[VolumeRecord]]
Snapshots = Sequence[Entry[SnapshotRecord]]


@dataclass(frozen=True, slots=True)
class Room:
    """``total`` may be handed out, ``free`` of it is left, ``provisioned`` is promised.

    ``free`` is below zero where more was promised than there is.
    """

    total: int = 0
    free: int = 0
    provisioned: int = 0
    volumes: int = 0
    snapshots: int = 0


def survey(directory: Path, options: Options, volumes: Volumes, snapshots: Snapshots) -> Room:
    """The room under ``directory`` as it is now."""
    filesystem = os.statvfs(directory)
    reserve = int(filesystem.f_blocks * options.reserve) * filesystem.f_frsize
    everything = filesystem.f_blocks * filesystem.f_frsize - reserve
    total = everything if options.capacity is None else min(options.capacity, everything)
    unused = filesystem.f_bavail * filesystem.f_frsize - reserve
    provisioned = sum(each.size for each in volumes) + sum(each.allocated for each in snapshots)
    sources = shared_sources(volumes, snapshots)
    claims = sum(claim(each, sources) for each in volumes)
    promised = int(total * options.overcommit) - provisioned
    physical = int(unused * options.overcommit) - claims
    return Room(
        total=total,
        free=min(promised, physical),
        provisioned=provisioned,
        volumes=len(volumes),
        snapshots=len(snapshots),
    )


def claim(volume: Entry[VolumeRecord], sources: Collection[str]) -> int:
    """The bytes that ``volume`` may yet take."""
    shares = volume.record.shares or volume.record.id in sources
    return volume.size if shares else max(0, volume.size - volume.allocated)


def shared_sources(volumes: Volumes, snapshots: Snapshots) -> set[str]:
    """The object ids of volumes that something still present was made from."""
    cut = {each.record.volume_id for each in snapshots}
    cloned = {
        each.record.source.id for each in volumes if each.record.source and each.record.shares
    }
    return {full_id.rpartition(".")[2] for full_id in cut | cloned}


def round_up(size: int) -> int:
    """The least volume size that holds ``size`` bytes."""
    return max(1, -(-size // ALIGNMENT)) * ALIGNMENT


def round_down(size: int) -> int:
    """The greatest volume size within ``size`` bytes."""
    return size // ALIGNMENT * ALIGNMENT
