"""One client of a storm, a process of its own: calls at random, and writes down what it was told.

``python -m tests.integration.storm.client SEED NUMBER CALLS ENDPOINT KUBELET FILE``
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import grpc

from csi.rpc.client import Client
from csi.spec import csi_pb2 as pb
from tests.integration import calls
from tests.integration.storm import history, plan
from tests.integration.storm.history import AGAIN, OK, Event

LONG = 30.0
FIRST = 0.2
"""Seconds that a call may take, as long as none of its kind has told."""
RETRIES = 3
CUT = 3
"""One call in so many shall be given up by its deadline."""


class Storm:
    """Everything that one client knows and does."""

    def __init__(self, random: Random, names: plan.Plan, client: Client, kubelet: Path) -> None:
        self.random = random
        self.names = names
        self.client = client
        self.kubelet = kubelet
        self.ids: dict[str, str] = {}
        self.events: list[Event] = []
        self.seconds: dict[str, float] = {}
        self.cut = 0

    def run(self, calls: int) -> None:
        """Make so many calls."""
        steps: list[tuple[Callable[[], None], int]] = [
            (self.create, 34), (self.delete, 13), (self.snapshot, 15), (self.delete_snapshot, 8),
            (self.expand, 12), (self.look, 10), (self.stage, 4), (self.unstage, 4),
        ]  # fmt: skip
        chosen, weights = zip(*steps, strict=True)
        while len(self.events) < calls:
            self.random.choices(chosen, weights)[0]()

    def create(self) -> None:
        self.volume(self.random.choice(self.names.volumes))

    def volume(self, wanted: plan.Volume) -> None:
        """CreateVolume; first of what it is a copy of, if that is not known."""
        if wanted.source and wanted.source not in self.ids:
            self.source(wanted)
            return
        other = int(self.random.random() < 0.15)
        request = wanted.request(self.ids.get(wanted.source, ""), other)
        answer = self.call(self.client.controller, "CreateVolume", wanted.name, request)
        if answer is not None:
            self.ids[wanted.name] = answer.volume.volume_id

    def source(self, wanted: plan.Volume) -> None:
        if wanted.kind == "volume":
            self.volume(next(each for each in self.names.volumes if each.name == wanted.source))
        else:
            self.cut_snapshot(
                next(each for each in self.names.snapshots if each.name == wanted.source)
            )

    def snapshot(self) -> None:
        self.cut_snapshot(self.random.choice(self.names.snapshots))

    def cut_snapshot(self, wanted: plan.Snapshot) -> None:
        """CreateSnapshot; first of its volume, if that is not known."""
        if wanted.of.name not in self.ids:
            self.volume(wanted.of)
            return
        request = wanted.request(self.ids[wanted.of.name])
        answer = self.call(self.client.controller, "CreateSnapshot", wanted.name, request)
        if answer is not None:
            self.ids[wanted.name] = answer.snapshot.snapshot_id

    def delete(self) -> None:
        if found := self.known(self.random.choice(self.names.volumes).name):
            request = pb.DeleteVolumeRequest(volume_id=found)
            self.call(self.client.controller, "DeleteVolume", found, request)

    def delete_snapshot(self) -> None:
        if found := self.known(self.random.choice(self.names.snapshots).name):
            request = pb.DeleteSnapshotRequest(snapshot_id=found)
            self.call(self.client.controller, "DeleteSnapshot", found, request)

    def expand(self) -> None:
        if found := self.known(self.random.choice(self.names.volumes).name):
            request = calls.growth(found, self.random.choice(plan.GROWN))
            self.call(self.client.controller, "ControllerExpandVolume", found, request)

    def look(self) -> None:
        method, request = self.random.choice(
            [
                ("ListVolumes", pb.ListVolumesRequest()),
                ("ListSnapshots", pb.ListSnapshotsRequest()),
                ("GetCapacity", pb.GetCapacityRequest()),
            ]
        )
        self.call(self.client.controller, method, "", request)

    def stage(self) -> None:
        if found := self.known(self.random.choice(self.names.volumes).name):
            request = pb.NodeStageVolumeRequest(
                volume_id=found,
                staging_target_path=self.staging(found),
                volume_capability=calls.capability(""),
            )
            self.call(self.client.node, "NodeStageVolume", found, request)

    def unstage(self) -> None:
        if found := self.known(self.random.choice(self.names.volumes).name):
            request = pb.NodeUnstageVolumeRequest(
                volume_id=found, staging_target_path=self.staging(found)
            )
            self.call(self.client.node, "NodeUnstageVolume", found, request)

    def known(self, name: str) -> str:
        return self.ids.get(name, "")

    def staging(self, volume_id: str) -> str:
        path = self.kubelet / "plugins" / volume_id
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def call(self, service: Any, method: str, key: str, request: Any) -> Any:
        """Make the call, and repeat it a few times while that is what a caller does."""
        for attempt in range(1 + RETRIES):
            code, answer = self.attempt(getattr(service, method), method, key, request)
            if code not in AGAIN:
                return answer
            if attempt < self.random.randrange(1 + RETRIES):
                time.sleep(self.random.uniform(0.02, 0.1) * 2**attempt)
            else:
                break
        return None

    def attempt(
        self, call: Callable[..., Any], method: str, key: str, request: Any
    ) -> tuple[str, Any]:
        start, code, message, answer = time.monotonic(), OK, "", None
        try:
            answer = call(request, timeout=self.deadline(method))
        except grpc.RpcError as refused:
            code, message = refused.code().name, refused.details() or ""
        end = time.monotonic()
        if code == OK:
            self.seconds[method] = end - start
        self.cut += code == "DEADLINE_EXCEEDED"
        told = (code, message, _ids(answer), start, end)
        self.events.append(Event(method, key, request.SerializeToString().hex(), *told))
        return code, answer

    def deadline(self, method: str) -> float:
        """Enough; or, for as long as too few calls were given up, a part of what such a call takes."""
        if self.cut * CUT > len(self.events):
            return LONG
        return self.seconds.get(method, FIRST) * self.random.uniform(0.05, 0.95)


def _ids(answer: Any) -> tuple[str, ...]:
    match answer:
        case pb.CreateVolumeResponse():
            return (answer.volume.volume_id,)
        case pb.CreateSnapshotResponse():
            return (answer.snapshot.snapshot_id,)
        case pb.ListVolumesResponse():
            return tuple(each.volume.volume_id for each in answer.entries)
        case pb.ListSnapshotsResponse():
            return tuple(each.snapshot.snapshot_id for each in answer.entries)
    return ()


def main(seed: str, number: str, calls: str, endpoint: str, kubelet: str, file: str) -> None:
    """Run one client."""
    with Client(endpoint) as client:
        random = Random(f"{seed}/{number}")  # noqa: S311 - to be repeated, not to be secret
        storm = Storm(random, plan.draw(int(seed)), client, Path(kubelet))
        storm.run(int(calls))
        history.write(Path(file), storm.events)


if __name__ == "__main__":
    main(*sys.argv[1:])
