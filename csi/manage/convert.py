"""Between the messages of the Manage service and the language of the drivers."""

from __future__ import annotations

from csi.spec import manage_pb2 as pb
from drivers.backends import Backend, Backends
from drivers.model import INFINITE, Capacity, Special, VolumeStats


def watched(node: str, backends: Backends) -> pb.WatchBackendsResponse:
    """What a node tells of its backends."""
    stats = dict(backends.told())
    return pb.WatchBackendsResponse(
        node=node,
        backends=[_backend(each, stats[each.name]) for each in backends],
        complete=backends.complete,
    )


def _backend(backend: Backend, stats: VolumeStats) -> pb.Backend:
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
    )


def _capacity(capacity: Capacity) -> pb.Capacity:
    if not isinstance(capacity, Special):
        return pb.Capacity(bytes=capacity)
    return pb.Capacity(infinite=True) if capacity is INFINITE else pb.Capacity(unknown=True)
