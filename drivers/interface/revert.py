"""The interface of drivers that can take a volume back to one of its snapshots."""

from __future__ import annotations

from abc import ABC, abstractmethod

from drivers.model import SnapshotId, Volume, VolumeId


class RevertDriver(ABC):
    """Revert. The rules of `drivers.interface.volume` apply."""

    @abstractmethod
    def revert_to_snapshot(self, volume_id: VolumeId, snapshot_id: SnapshotId) -> Volume:
        """Make the volume's bytes those of its snapshot again.

        Keeps the volume's id and present size (what lies beyond the snapshot's size reads as zeros or
        as it was), the snapshot itself and every other one, and all ids. Raises `NotFound`,
        `Invalid` if the snapshot is not one of this volume, and `InUse` while somebody has the volume
        open. While it is unfinished after a crash, growing the volume raises `Busy`, and connecting it
        raises `Busy` or finishes the revert first: nobody sees it half reverted.

        The volume's content is what the snapshot's was. But one of ours stays ours: after a snapshot that
        somebody else made, and that was brought in, it is INHERITED if it was, and FORMATTED otherwise.
        """
