"""The interface of drivers that can freeze a moment of a volume."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from drivers.model import Snapshot, SnapshotId, SnapshotSpec, Volume, VolumeSpec


class SnapshotDriver(ABC):
    """Snapshots, and volumes made from them. The rules of `drivers.interface.volume` apply."""

    @abstractmethod
    def create_snapshot(self, spec: SnapshotSpec) -> Snapshot:
        """Freeze the volume as it is now, crash-consistent, also while it is mounted and written.

        Idempotent by ``spec.name``: a finished snapshot of that name is returned as it is, with the
        same ``created``. Raises `NotFound` without the volume, `Exhausted` without room. A driver
        that has to copy raises `InProgress` as `create_volume_from_snapshot` does, and `Precondition`
        while the volume is connected: a copy of a moving source tears.
        """

    @abstractmethod
    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        """Remove the snapshot; what it held cannot be read in another volume.

        Success if it is absent. Raises `InUse` while something reads it, and `Invalid` for a member of a
        group snapshot, which goes with all of that alone. Volumes made from it live on.
        """

    @abstractmethod
    def get_snapshot(self, snapshot_id: SnapshotId) -> Snapshot:
        """The snapshot of that id; raises `NotFound` if it is provably absent or not finished."""

    @abstractmethod
    def find_snapshot(self, name: str) -> Snapshot | None:
        """The finished snapshot that was created under that name, or None."""

    @abstractmethod
    def list_snapshots(self) -> Sequence[Snapshot]:
        """All finished snapshots in a stable order (by id)."""

    @abstractmethod
    def create_volume_from_snapshot(self, spec: VolumeSpec, snapshot_id: SnapshotId) -> Volume:
        """Make a volume that starts with the snapshot's bytes; beyond them it reads as zeros.

        Idempotent as `create_volume`. ``content`` is INHERITED if the snapshot held a filesystem,
        otherwise what it held. A size above the snapshot's is honoured, one below is `OutOfRange`. A copy
        that outlasts the caller's deadline goes on in the background and raises `InProgress`; the
        repeated call finds it, also in a new process. Raises `NotFound`, `Exhausted`, and
        `Precondition` for a snapshot that is no longer usable.
        """
