"""Every name of a storm brought to where its plan wants it, by CSI calls alone.

As the sidecars do it: whoever does not know whether a volume came to be repeats the call that was to make
it until there is an answer, and deletes then what is not wanted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from csi.spec import csi_pb2 as pb
from tests.integration import calls
from tests.integration.served import Served
from tests.integration.storm import plan
from tests.integration.storm.history import AGAIN, Event

PATIENCE = 60.0
PAUSE = 0.2
NOT_THIS_ONE = frozenset({"ALREADY_EXISTS", "NOT_FOUND", "OUT_OF_RANGE"})
"""The answers to the repetition of a call that was not the one that made the volume."""


@dataclass(frozen=True, slots=True)
class Made:
    """An object that exists: its id, the request that leads to it, and the answer to that."""

    id: str
    request: Any
    answer: Any


@dataclass
class Settled:
    """What exists at the end, by name."""

    volumes: dict[str, Made] = field(default_factory=dict)
    snapshots: dict[str, Made] = field(default_factory=dict)


def settle(service: Served, names: plan.Plan, events: Sequence[Event]) -> Settled:
    """Finish what was begun, take away what shall not stay, and grow what stays to `plan.FINAL`."""
    found = Settled()
    for volume_id in {each.key for each in events if each.method == "NodeStageVolume"}:
        _unstage(service, volume_id)
    for volume in names.volumes[: len(names.snapshots)]:
        found.volumes[volume.name] = _volume(service, volume, "", events)
    for snapshot in names.snapshots:
        found.snapshots[snapshot.name] = _snapshot(service, snapshot, found, events)
    for volume in names.volumes[len(names.snapshots) :]:
        sources = found.snapshots if volume.kind == "snapshot" else found.volumes
        found.volumes[volume.name] = _volume(service, volume, sources[volume.source].id, events)
    for snapshot in names.snapshots:
        if not snapshot.present:
            service.delete_snapshot(found.snapshots.pop(snapshot.name).id)
    for volume in names.volumes:
        made = found.volumes[volume.name]
        if volume.present or _is_needed(made.id, found):
            patient(
                service.client.controller.ControllerExpandVolume, calls.growth(made.id, plan.FINAL)
            )
        else:
            service.delete(found.volumes.pop(volume.name).id)
    service.drain()
    return found


def patient(call: Callable[..., Any], request: Any) -> Any:
    """The answer to a call, repeated for as long as the code says that this is right."""
    pause, until = threading.Event(), time.monotonic() + PATIENCE
    while True:
        try:
            return call(request, timeout=PATIENCE)
        except grpc.RpcError as refused:
            if refused.code().name not in AGAIN or time.monotonic() > until:
                raise
        pause.wait(PAUSE)


def _volume(service: Served, wanted: plan.Volume, source_id: str, events: Sequence[Event]) -> Made:
    asked = [wanted.request(source_id), *_asked("CreateVolume", wanted.name, events)]
    for each in asked:
        each.capacity_range.limit_bytes = 0  # what has grown is above it
    request, answer = _first(service.client.controller.CreateVolume, asked)
    return Made(answer.volume.volume_id, request, answer.volume)


def _snapshot(
    service: Served, wanted: plan.Snapshot, found: Settled, events: Sequence[Event]
) -> Made:
    asked = [
        wanted.request(found.volumes[wanted.of.name].id),
        *_asked("CreateSnapshot", wanted.name, events),
    ]
    request, answer = _first(service.client.controller.CreateSnapshot, asked)
    return Made(answer.snapshot.snapshot_id, request, answer.snapshot)


def _first(call: Callable[..., Any], asked: Sequence[Any]) -> tuple[Any, Any]:
    """The first of the requests that leads to the object, and the answer to it."""
    refusals = []
    for request in asked:
        try:
            return request, patient(call, request)
        except grpc.RpcError as refused:
            if refused.code().name not in NOT_THIS_ONE:
                raise
            refusals.append(refused.details())
    raise AssertionError(f"no call that was made leads to {asked[0].name!r}: {refusals}")


def _asked(method: str, name: str, events: Sequence[Event]) -> Iterator[Any]:
    kind = pb.CreateVolumeRequest if method == "CreateVolume" else pb.CreateSnapshotRequest
    asked = {each.request for each in events if each.method == method and each.key == name}
    for request in sorted(asked):
        yield kind.FromString(bytes.fromhex(request))


def _is_needed(volume_id: str, found: Settled) -> bool:
    """Whether a snapshot that stays is one of this volume: a thick one cannot go before it."""
    return any(each.request.source_volume_id == volume_id for each in found.snapshots.values())


def _unstage(service: Served, volume_id: str) -> None:
    request = pb.NodeUnstageVolumeRequest(
        volume_id=volume_id, staging_target_path=str(service.staging(volume_id))
    )
    patient(service.client.node.NodeUnstageVolume, request)
