"""Between the messages of the Manage service and the language of the drivers: backends and what they hold."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC

from csi.controller.paging import Page, Where
from csi.spec import manage_pb2 as pb
from drivers.backends import Backend, Backends
from drivers.errors import Invalid
from drivers.interface import ManageDriver
from drivers.model import (
    INFINITE,
    Capacity,
    Properties,
    Snapshot,
    Special,
    Volume,
    VolumeMode,
    VolumeSpec,
    VolumeStats,
)

Naming = Callable[[str], str]
"""The name of the backend of an object with that id."""


def watched(node: str, backends: Backends) -> pb.WatchBackendsResponse:
    """What a node tells of its backends."""
    stats = dict(backends.told())
    return pb.WatchBackendsResponse(
        node=node,
        backends=[_backend(each, stats[each.name]) for each in backends],
        complete=backends.complete,
    )


def _backend(backend: Backend, stats: VolumeStats) -> pb.Backend:
    driver = backend.driver
    return pb.Backend(
        name=backend.name,
        id=backend.id or "",
        driver=backend.driver.NAME,
        driver_version=stats.driver_version,
        unhealthy=stats.unhealthy,
        total=_capacity(stats.total_capacity),
        free=_capacity(stats.free_capacity),
        largest_volume=_capacity(stats.max_volume_size),
        volumes=stats.volumes,
        snapshots=stats.snapshots,
        data_ratio=stats.data_ratio,
        metadata_ratio=stats.metadata_ratio,
        provisioned=stats.provisioned_capacity,
        wiping=stats.wiping,
        storage=driver.storage_name if isinstance(driver, ManageDriver) else "",
        revision=_revision(stats),
        warning=stats.warning,
    )


def _revision(stats: VolumeStats) -> str:
    """The driver's own, or one that differs as far as its numbers do."""
    numbers = (stats.volumes, stats.snapshots, stats.provisioned_capacity, stats.free_capacity)
    return stats.revision or "-".join(map(str, numbers))


def _capacity(capacity: Capacity) -> pb.Capacity:
    if not isinstance(capacity, Special):
        return pb.Capacity(bytes=capacity)
    return pb.Capacity(infinite=True) if capacity is INFINITE else pb.Capacity(unknown=True)


def where(request: pb.ListVolumesRequest | pb.ListSnapshotsRequest) -> Where:
    """Which page is asked for."""
    return Where(request.max_entries, request.starting_token)


def volume(record: Volume, backend: str, *, in_use: bool = False) -> pb.Volume:
    """A volume."""
    return pb.Volume(
        id=record.id,
        backend=backend,
        size=record.size,
        content=record.content.value,
        properties=properties(record.properties),
        source=_source(record),
        owner=record.adopted.owner if record.adopted else "",
        reference=record.adopted.original if record.adopted else "",
        may_be_deleted=record.adopted is None or record.adopted.allow_delete,
        in_use=in_use,
        partial=record.is_partial,
    )


def foreseen(found: Volume | VolumeSpec, backend: str) -> pb.Volume:
    """A volume that is there, or what is known of one that would be made."""
    if isinstance(found, Volume):
        return volume(found, backend)
    return pb.Volume(
        backend=backend, size=found.size.required, properties=properties(found.properties)
    )


def volumes(page: Page[Volume], naming: Naming, in_use: Collection[str]) -> pb.ListVolumesResponse:
    """A page of volumes; ``in_use`` are the ids of those that are."""
    shown = [volume(each, naming(each.id), in_use=each.id in in_use) for each in page.items]
    return pb.ListVolumesResponse(volumes=shown, next_token=page.next)


def snapshot(record: Snapshot, backend: str) -> pb.Snapshot:
    """A snapshot."""
    return pb.Snapshot(
        id=record.id,
        backend=backend,
        volume_id=record.volume_id,
        size=record.size,
        created=record.created.astimezone(UTC).isoformat(timespec="seconds"),
        usable=record.usable,
        properties=properties(record.properties),
        labels=dict(record.labels),
        group_snapshot_id=record.group_snapshot_id or "",
        owner=record.adopted.owner if record.adopted else "",
        reference=record.adopted.original if record.adopted else "",
    )


def snapshots(page: Page[Snapshot], naming: Naming) -> pb.ListSnapshotsResponse:
    """A page of snapshots."""
    shown = [snapshot(each, naming(each.id)) for each in page.items]
    return pb.ListSnapshotsResponse(snapshots=shown, next_token=page.next)


def properties(record: Properties) -> pb.Properties:
    """What a PersistentVolume says beside id and size."""
    return pb.Properties(
        mode=record.mode.value,
        fs_type=record.fs_type,
        access_modes=record.access_modes,
        pvc_namespace=record.pvc_namespace,
        pvc_name=record.pvc_name,
        pv_name=record.pv_name,
        storage_class=record.storage_class,
    )


def mode(message: pb.Properties) -> VolumeMode:
    """How a volume is used. Raises `Invalid` for a word that is neither of the two."""
    words = {each.value: each for each in VolumeMode} | {"": VolumeMode.FILESYSTEM}
    if message.mode not in words:
        raise Invalid(f"mode is {message.mode!r}; it must be filesystem or block")
    return words[message.mode]


def _source(record: Volume) -> str:
    if record.properties.image:
        return f"image:{record.properties.image}"
    return f"{record.source.kind.value}:{record.source.id}" if record.source else ""
