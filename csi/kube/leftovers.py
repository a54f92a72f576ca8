"""What of Hearth's nobody has, and who has what is not there: storage and cluster, compared.

A volume is older than its PersistentVolume by a moment, and a PersistentVolume outlives its volume by
one. So what does not match is only believed when it has not matched for a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from csi.kube.api import Api, Refusal
from csi.kube.backends import NOTHING, Invalid, Leftover, Listing, Lost
from csi.kube.client import Object
from csi.kube.kinds import CONTENT, VOLUME
from csi.kube.objects import handle_of
from csi.kube.storage import Storage, all_of
from csi.spec import manage_pb2 as pb
from drivers.backends import backend_id_of, is_id
from drivers.errors import Unsupported

Kept = TypeVar("Kept")
Named = Mapping[str, pb.Reference]
"""What the storage calls an object with an id."""
BELIEF = 240.0
"""Seconds that something has to be amiss before it is told."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the cluster knows by their handles: its volumes, and the contents of its snapshots.

    ``snapshots`` is None where it cannot be known.
    """

    volumes: Mapping[str, Object]
    snapshots: Mapping[str, Object] | None


class Comparison:
    """Lists backends, and remembers since when something is amiss."""

    def __init__(
        self,
        driver: str,
        belief: float = BELIEF,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._driver = driver
        self._belief = belief
        self._clock = clock
        self._since: dict[tuple[str, str], dict[str, float]] = {}

    def known(self, api: Api) -> Known:
        """What the cluster knows now. Raises `Refusal` and `Silent`."""
        volumes = {handle_of(each, self._driver): each for each in api.list(VOLUME)}
        volumes.pop("", None)
        try:
            contents = list(api.list(CONTENT))
        except Refusal:
            # A cluster without snapshots, or an installation that does not serve them and may not look.
            return Known(volumes, None)
        return Known(volumes, dict(_snapshot_handles(contents, self._driver)))

    def listed(
        self, storage: Storage, backend: pb.Backend, known: Known, before: Object = NOTHING
    ) -> Listing:
        """What is in a backend, whose status was ``before``. Raises `StorageError`.

        What the status of an earlier life tells has been amiss for long enough.
        """
        service, everything = storage.service, all_of(backend)
        volumes = list(service.volumes(backend.name))
        snapshots = _if_it_can(lambda: service.snapshots(backend.name))
        others = _if_it_can(lambda: service.manageable_volumes(everything))
        other_snapshots = _if_it_can(lambda: service.manageable_snapshots(everything))
        named = {each.id: each.reference for each in (*others, *other_snapshots) if each.id}
        leftovers = [
            *(_unfinished(each) for each in service.orphans(backend.name)),
            *_nobodys(volumes, snapshots, known, named),
        ]
        lost = _gone_from(backend, volumes, known)
        amiss = {_amiss(each.reason, each.name, each.uuid): each for each in leftovers}
        gone = {_gone(each.handle): each for each in lost}
        old = self._old((storage.node, backend.name), [*amiss, *gone], before)
        return Listing(
            volumes=others,
            snapshots=other_snapshots,
            leftovers=[each for key, each in amiss.items() if key in old],
            lost=[each for key, each in gone.items() if key in old],
            invalid=[
                Invalid(each.id, (known.snapshots or {}).get(each.id))
                for each in snapshots
                if not each.usable
            ],
        )

    def _old(self, where: tuple[str, str], keys: Sequence[str], status: Object) -> set[str]:
        now = self._clock()
        told = list(_believed(status))
        # A status names some of many; which the others are it does not tell.
        believed = keys if status.get("orphanCount", 0) > len(told) else told
        before = self._since.get(where, dict.fromkeys(believed, now - self._belief))
        since = self._since[where] = {key: before.get(key, now) for key in keys}
        return {key for key, at in since.items() if now - at >= self._belief}


def _nobodys(
    volumes: Iterable[pb.Volume], snapshots: Iterable[pb.Snapshot], known: Known, named: Named
) -> Iterator[Leftover]:
    """What nothing in the cluster stands for."""
    for volume in volumes:
        # One that holds part of an image is left over only if nobody fills it, and told as that.
        if volume.id not in known.volumes and not volume.partial:
            yield _volume(volume, named)
    for snapshot in snapshots:
        if known.snapshots is not None and snapshot.id not in known.snapshots:
            yield _snapshot(snapshot, named)


def _gone_from(backend: pb.Backend, volumes: Iterable[pb.Volume], known: Known) -> Iterator[Lost]:
    """What stands in the cluster for nothing."""
    there = {each.id for each in volumes}
    for handle, each in known.volumes.items():
        if _is_in(handle, backend.id) and handle not in there and _is_wanted(each):
            yield _lost(handle, each)


def _amiss(reason: str, name: str, uuid: str) -> str:
    return f"{reason} {name} {uuid}"


def _gone(handle: str) -> str:
    return f"lost {handle}"


def _believed(status: Object) -> Iterator[str]:
    """What a status tells of."""
    for each in status.get("orphans") or ():
        yield _amiss(each.get("reason", ""), each.get("name", ""), each.get("uuid", ""))
    for each in status.get("lost") or ():
        yield _gone(each.get("volumeHandle", ""))


def _if_it_can(listed: Callable[[], Iterable[Kept]]) -> list[Kept]:
    """What is listed; nothing of a driver that knows no such thing."""
    try:
        return list(listed())
    except Unsupported:
        return []


def _snapshot_handles(contents: Iterable[Object], driver: str) -> Iterator[tuple[str, Object]]:
    for each in contents:
        if each["spec"]["driver"] == driver:
            yield (each.get("status") or {}).get("snapshotHandle", ""), each
            yield each["spec"]["source"].get("snapshotHandle", ""), each


def _is_in(handle: str, backend_id: str) -> bool:
    return bool(backend_id) and is_id(handle) and backend_id_of(handle) == backend_id


def _is_wanted(volume: Object) -> bool:
    """Whether somebody counts on the volume: one that is on its way out is allowed to be gone."""
    if "deletionTimestamp" in volume["metadata"]:
        return False
    released = (volume.get("status") or {}).get("phase") in ("Released", "Failed")
    return not (released and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete")


def _unfinished(found: pb.Orphan) -> Leftover:
    named = found.reference
    name = named.name or found.id
    return Leftover("unfinished", name, named.uuid, found.size, found.reason, found.message)


def _volume(found: pb.Volume, named: Named) -> Leftover:
    message = f"volume {found.id} has no PersistentVolume; release, delete or rebuild it by hand"
    name, uuid = _called(found, named)
    return Leftover("volume", name, uuid, found.size, "NoPersistentVolume", message)


def _snapshot(found: pb.Snapshot, named: Named) -> Leftover:
    message = f"snapshot {found.id} has no VolumeSnapshotContent; release or delete it by hand"
    name, uuid = _called(found, named)
    return Leftover("snapshot", name, uuid, found.size, "NoVolumeSnapshotContent", message)


def _called(found: pb.Volume | pb.Snapshot, named: Named) -> tuple[str, str]:
    """What the storage calls it now; else what it was called when it was brought in, or its id."""
    now = named.get(found.id, pb.Reference())
    return now.name or found.reference or found.id, now.uuid


def _lost(handle: str, volume: Object) -> Lost:
    claim = volume["spec"].get("claimRef") or {}
    # The API server takes a reference without a namespace.
    whose = f"{claim.get('namespace', '')}/{claim.get('name', '')}" if claim else ""
    return Lost(volume["metadata"]["name"], handle, whose)
