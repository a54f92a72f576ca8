"""The names of a storm and what shall be left of them: the same in every process with the same seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from csi.spec import csi_pb2 as pb
from drivers.model import MIB
from tests.integration import calls

SIZES = (8 * MIB, 12 * MIB)
"""Of an empty volume: the one that is agreed on, and the one that others insist on."""
GROWN = (16 * MIB, 20 * MIB)
COPIED = (24 * MIB, 28 * MIB)
"""Of a copy: no source is ever larger."""
FINAL = 32 * MIB
CLAIM = "csi.storage.k8s.io/pvc/name"
LONG = "Größe-東京-" * 8  # of 120 bytes, and a name may have 128


@dataclass(frozen=True, slots=True)
class Volume:
    """A name of a volume. ``source`` is the name of a snapshot or volume, ``kind`` which of them."""

    name: str
    layout: str
    present: bool
    kind: str = ""
    source: str = ""

    @property
    def claim(self) -> str:
        """What a provisioner would tell of its PersistentVolumeClaim."""
        return f"claim-{self.layout}"

    def request(self, source_id: str = "", other: int = 0) -> pb.CreateVolumeRequest:
        """CreateVolume of exactly one size; ``other`` is 1 for the size that nobody agreed on."""
        size = (COPIED if self.kind else SIZES)[other]
        request = calls.creation(
            self.name,
            size,
            layout=self.layout,
            limit=size,
            snapshot=source_id if self.kind == "snapshot" else "",
            volume=source_id if self.kind == "volume" else "",
        )
        request.parameters[CLAIM] = self.claim
        return request


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A name of a snapshot, and the name of the volume that it is taken of."""

    name: str
    of: Volume
    present: bool

    def request(self, volume_id: str) -> pb.CreateSnapshotRequest:
        """CreateSnapshot."""
        return pb.CreateSnapshotRequest(name=self.name, source_volume_id=volume_id)


@dataclass(frozen=True, slots=True)
class Plan:
    """All names. Those of ``volumes`` that are copies come after their sources."""

    volumes: Sequence[Volume]
    snapshots: Sequence[Snapshot]


def draw(seed: int) -> Plan:
    """The plan of that seed."""
    random = Random(seed)  # noqa: S311 - to be repeated, not to be secret
    plain = [
        Volume(f"volume {number}{LONG}", layout, random.random() < 0.6)
        for number, layout in enumerate(("thin", "linear") * 3)
    ]
    snapshots = [Snapshot(f"snap/{number}", of, False) for number, of in enumerate(plain)]
    # What is thick and has a snapshot cannot go.
    snapshots = [
        Snapshot(
            each.name, each.of, (each.of.present or each.of.layout == "thin") and number % 2 < 1
        )
        for each, number in zip(snapshots, (random.randrange(3) for _ in snapshots), strict=True)
    ]
    copies = [
        Volume(f"copy {number}", each.of.layout, random.random() < 0.6, "snapshot", each.name)
        for number, each in enumerate(random.sample(snapshots, 3))
    ] + [
        Volume(f"clone {number}", layout, random.random() < 0.6, "volume", each.name)
        for number, (each, layout) in enumerate(
            zip(random.sample(plain, 3), ("thin", "linear", "linear"), strict=True)
        )
    ]
    return Plan([*plain, *copies], snapshots)
