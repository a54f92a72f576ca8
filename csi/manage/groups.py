"""Between the messages of the Manage service and the language of the drivers: groups and their snapshots."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

from csi.manage import convert
from csi.manage.convert import Naming
from csi.spec import manage_pb2 as pb
from drivers.groups import Group, GroupSnapshot


def group(record: Group, naming: Naming) -> pb.Group:
    """A group."""
    return pb.Group(
        id=record.id,
        backend=naming(record.id),
        name=record.name,
        volume_ids=record.volume_ids,
    )


def groups(records: Iterable[Group], naming: Naming) -> pb.ListGroupsResponse:
    """All groups."""
    return pb.ListGroupsResponse(groups=[group(each, naming) for each in records])


def snapshot(record: GroupSnapshot, naming: Naming) -> pb.GroupSnapshot:
    """A group snapshot with its members."""
    backend = naming(record.id)
    return pb.GroupSnapshot(
        id=record.id,
        backend=backend,
        created=record.created.astimezone(UTC).isoformat(timespec="seconds"),
        usable=record.usable,
        snapshots=[convert.snapshot(each, backend) for each in record.snapshots],
        pause=record.pause,
    )


def snapshots(records: Iterable[GroupSnapshot], naming: Naming) -> pb.ListGroupSnapshotsResponse:
    """All group snapshots."""
    shown = [snapshot(each, naming) for each in records]
    return pb.ListGroupSnapshotsResponse(group_snapshots=shown)
