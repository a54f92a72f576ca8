"""The interface of drivers that can take over snapshots that somebody else made, and let go of any."""

from __future__ import annotations

from abc import ABC, abstractmethod

from drivers.manageable import Page, Query, Reference, SnapshotAdoptionSpec
from drivers.model import Snapshot, SnapshotId


class ManageSnapshotsDriver(ABC):
    """Bringing snapshots in and letting them go. The rules of `drivers.interface.manage` apply."""

    @abstractmethod
    def manage_existing_snapshot(
        self, spec: SnapshotAdoptionSpec, reference: Reference
    ) -> Snapshot:
        """Make the object a snapshot of the volume that the storage says it is one of.

        Called when an administrator imports a snapshot, whose volume must be managed already. As
        `manage_existing`: nothing is renamed, no byte changes, and a repeated call of the same owner
        returns the same snapshot. ``created`` is when the storage says that it was made, ``size``
        exactly what it shows, ``content`` ADOPTED. It restores like any other.

        Raises what `manage_existing` raises; `Unmanageable` also if it is a snapshot of something that
        is no volume of ours, or can no longer be read.
        """

    @abstractmethod
    def manage_existing_snapshot_get_size(self, reference: Reference) -> int:
        """The exact bytes that the snapshot shows; as `manage_existing_get_size`."""

    @abstractmethod
    def unmanage_snapshot(
        self, snapshot_id: SnapshotId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        """Let go of a snapshot, made here or brought in: the object stays, as `unmanage` does it.

        Raises `InUse` while something reads it, and `Busy` while it is copied or its volume is
        reverted.
        """

    @abstractmethod
    def get_manageable_snapshots(self, query: Query) -> Page:
        """Every snapshot in the storage, with what it is a snapshot of; as `get_manageable_volumes`."""
