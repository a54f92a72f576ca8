"""What a Backend object says: pure functions from what a node tells to a status.

Lists are cut at a bound and ordered by name, so that a document stays small and does not change because
somebody counted in another order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from csi.kube.client import Object
from csi.kube.kinds import BACKEND
from csi.settings import DRIVER_NAME
from csi.spec import manage_pb2 as pb

SHOWN = 50
QUIET = frozenset(
    {
        "free",
        "data",
        "freeBytes",
        "largestVolumeBytes",
        "provisionedBytes",
        "wipingBytes",
        "dataPercent",
        "metadataPercent",
        "revision",
    }
)
"""What may change all the time, and is written in its own time."""
NOTHING: Object = {}
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True, slots=True)
class Lost:
    """A PersistentVolume whose volume is not there."""

    volume: str
    handle: str
    claim: str


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something of Hearth's that nobody has. ``kind`` is unfinished, volume or snapshot."""

    kind: str
    name: str
    uuid: str
    size: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Invalid:
    """A snapshot that cannot be read any more, and the VolumeSnapshotContent that has it, if one does."""

    handle: str
    content: Object | None


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found in a backend when it was listed last."""

    volumes: Sequence[pb.Manageable] = ()
    snapshots: Sequence[pb.Manageable] = ()
    leftovers: Sequence[Leftover] = ()
    lost: Sequence[Lost] = ()
    invalid: Sequence[Invalid] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


def name_of(node: str, backend: str, driver: str) -> str:
    """What the object is called; with the driver, if that is not the usual one."""
    name = f"{node.lower()}.{backend}"
    return name if driver == DRIVER_NAME else f"{name}.{driver.lower()}"


def document(node: str, backend: str, driver: str) -> Object:
    """The object without a status."""
    return {
        "apiVersion": BACKEND.api,
        "kind": BACKEND.name,
        "metadata": {"name": name_of(node, backend, driver)},
        "spec": {"driver": driver, "node": node, "backend": backend},
    }


def status(told: pb.Backend, listing: Listing | None, before: Object = NOTHING) -> Object:
    """The status for what a node told and what was listed, where it was ``before``.

    While a backend serves nothing its node does not know what to warn of: what it warned of stays. So does
    what an earlier life of the operator has listed, as long as this one has listed nothing (None).
    """
    warning = before.get("warning", "") if told.unhealthy else told.warning
    empty = _listed(Listing())
    lists = (
        {key: before.get(key, empty[key]) for key in empty} if listing is None else _listed(listing)
    )
    return {**_state(told), "warning": warning, **_sizes(told), **lists}


def away(before: Object, message: str) -> Object:
    """The status of a backend whose node does not answer: what was known last, and that."""
    return {**before, "state": "Away", "message": message}


def cleared(before: Object, after: Object) -> Object:
    """A patch that makes ``after`` of ``before``: what is no longer said is taken away."""
    gone = {key: None for key in before if key not in after}
    return {**{key: value for key, value in after.items() if before.get(key) != value}, **gone}


def is_loud(change: Object) -> bool:
    """Whether more has changed than numbers that always do."""
    return bool(set(change) - QUIET)


def human(size: int) -> str:
    """``size`` for people."""
    number, unit = float(size), UNITS[0]
    for unit in UNITS:
        if number < 1024 or unit == UNITS[-1]:
            break
        number /= 1024
    return f"{size} B" if unit == "B" else f"{number:.1f} {unit}"


def _state(told: pb.Backend) -> dict[str, Any]:
    state = "Healthy" if not told.unhealthy else "Unhealthy" if told.id else "Absent"
    return {
        "state": state,
        "message": told.unhealthy,
        "backendId": told.id,
        "storage": told.storage,
        "driver": told.driver,
        "driverVersion": told.driver_version,
        "volumes": told.volumes,
        "snapshots": told.snapshots,
        "revision": told.revision,
    }


def _sizes(told: pb.Backend) -> dict[str, Any]:
    found: dict[str, Any] = {
        "size": _words(told.total),
        "free": _words(told.free),
        "provisionedBytes": told.provisioned,
        "wipingBytes": told.wiping,
    }
    for key, capacity in (
        ("totalBytes", told.total),
        ("freeBytes", told.free),
        ("largestVolumeBytes", told.largest_volume),
    ):
        if capacity.WhichOneof("value") == "bytes":
            found[key] = capacity.bytes
    if told.HasField("data_ratio"):
        found["dataPercent"] = round(100 * told.data_ratio)
        found["data"] = f"{found['dataPercent']}%"
    if told.HasField("metadata_ratio"):
        found["metadataPercent"] = round(100 * told.metadata_ratio)
    return found


def _words(capacity: pb.Capacity) -> str:
    if capacity.WhichOneof("value") == "bytes":
        return human(capacity.bytes)
    return "infinite" if capacity.infinite else "unknown"


def _listed(listing: Listing) -> dict[str, Any]:
    entries = [
        *(_manageable("volume", each) for each in listing.volumes),
        *(_manageable("snapshot", each) for each in listing.snapshots),
    ]
    return {
        "manageableCount": sum(each["safe"] for each in entries),
        "manageable": _first(entries, "name"),
        "orphanCount": len(listing.leftovers) + len(listing.lost),
        "orphans": _first(map(_leftover, listing.leftovers), "name"),
        "lost": _first(map(_lost, listing.lost), "persistentVolume"),
    }


def _manageable(kind: str, found: pb.Manageable) -> dict[str, Any]:
    return _told(
        {
            "kind": kind,
            "name": found.reference.name,
            "uuid": found.reference.uuid,
            "sizeBytes": found.size,
            "reason": found.reason,
            "message": found.message,
            "manager": found.manager,
            "origin": found.origin.name,
        }
    ) | {"safe": found.safe}


def _leftover(found: Leftover) -> dict[str, Any]:
    return _told(
        {
            "name": found.name,
            "uuid": found.uuid,
            "sizeBytes": found.size,
            "reason": found.reason,
            "message": found.message,
        }
    )


def _lost(found: Lost) -> dict[str, Any]:
    return _told(
        {
            "persistentVolume": found.volume,
            "volumeHandle": found.handle,
            "claim": found.claim,
        }
    )


def _told(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if value not in ("", 0)}


def _first(entries: Iterable[dict[str, Any]], by: str) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda each: str(each.get(by, "")))[:SHOWN]
