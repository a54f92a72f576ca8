"""The interface of drivers that can freeze one moment of several volumes.

Cinder's volume groups, with the promise that its documents make and its generic way of one snapshot
after the other does not keep: the members of a group snapshot show one moment. If a writer was told
that a write to one volume was stored before it began a write to another, then no group snapshot shows the
second without the first. A database whose log is on a volume of its own can be restored from nothing
less.

That is what a power cut would have left (crash-consistent): what an application had not written yet is in
no snapshot, and a filesystem has its journal to replay.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from drivers.groups import Group, GroupId, GroupSnapshot, GroupSnapshotSpec
from drivers.model import GroupSnapshotId, SnapshotId, VolumeId, VolumeSpec


class GroupDriver(ABC):
    """Groups of volumes, and snapshots of them. The rules of `drivers.interface.volume` apply.

    For drivers that implement `SnapshotDriver`: a member of a group snapshot is a snapshot, which is
    found, listed and restored like any other, and has the group snapshot's id.
    """

    @abstractmethod
    def create_group(self, name: str, volume_ids: Sequence[VolumeId]) -> Group:
        """Make a group of volumes that lasts until it is deleted; nothing happens to the volumes.

        Called when an administrator wants to name what belongs together: nothing in CSI does. Idempotent
        by ``name``: a group of that name is returned as it is. Raises `NotFound` without one of the
        volumes, and `Precondition`, with their ids and the reason, for volumes that could not be cut
        together.
        """

    @abstractmethod
    def delete_group(self, group_id: GroupId) -> None:
        """Forget the group. Its volumes, and the group snapshots made of them, stay.

        Success if it is absent.
        """

    @abstractmethod
    def update_group(
        self, group_id: GroupId, add: Sequence[VolumeId], remove: Sequence[VolumeId]
    ) -> Group:
        """Take volumes into the group and out of it, all at once.

        One that is in, or out, already is no error. Raises `NotFound` without the group or a volume to
        add, and `Precondition` as `create_group` does.
        """

    @abstractmethod
    def create_group_from_src(
        self, name: str, source: GroupSnapshotId, volumes: Mapping[SnapshotId, VolumeSpec]
    ) -> Group:
        """Make new volumes from members of a group snapshot, and a group of them.

        ``volumes`` says what is made of which member. Each is made as `create_volume_from_snapshot` makes
        it, and is idempotent as that. A call that fails leaves none of those that it has made; after a
        crash they stay until it is repeated. Raises `NotFound` without the group snapshot, `Invalid` for a
        snapshot that is not a member of it, `Exists` if a volume of one of the names was made from anything
        else, and what `create_volume_from_snapshot` and `create_group` do.
        """

    @abstractmethod
    def get_group(self, group_id: GroupId) -> Group:
        """The group of that id; raises `NotFound`. A volume that was deleted is in no group."""

    @abstractmethod
    def list_groups(self) -> Sequence[Group]:
        """All groups in a stable order (by id)."""

    @abstractmethod
    def create_group_snapshot(self, spec: GroupSnapshotSpec) -> GroupSnapshot:
        """Freeze the volumes as they are at one moment, also while they are mounted and written.

        Idempotent by ``spec.name``: a finished group snapshot of that name is returned as it is, with the
        same ``created`` and the same members. All or nothing: a call that fails, or a process that is
        killed, leaves no member that anybody sees, and writers go on.

        Raises `Invalid` for no volume or one that is named twice, `NotFound` without one of them, and
        `Precondition`, with their ids and the reason, for volumes of which one moment cannot be had: they
        are never snapshot one after the other instead. Raises `Busy` if something died or took too
        long in the middle.
        """

    @abstractmethod
    def delete_group_snapshot(self, group_snapshot_id: GroupSnapshotId) -> None:
        """Remove the group snapshot with all its members. Volumes made from them live on.

        Success if it is absent. Raises `InUse` while something reads a member. From the first moment of the
        deletion on, no member is seen any more.
        """

    @abstractmethod
    def get_group_snapshot(self, group_snapshot_id: GroupSnapshotId) -> GroupSnapshot:
        """The group snapshot of that id; raises `NotFound` if it is provably absent or not finished."""

    @abstractmethod
    def find_group_snapshot(self, name: str) -> GroupSnapshot | None:
        """The finished group snapshot that was created under that name, or None."""

    @abstractmethod
    def list_group_snapshots(self) -> Sequence[GroupSnapshot]:
        """All finished group snapshots in a stable order (by id)."""
