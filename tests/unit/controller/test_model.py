"""Any sequence of calls, compared with a model that a page of this file holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import grpc
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from csi.controller.sizes import round_up
from csi.spec import csi_pb2 as pb
from drivers.model import GIB, MIB
from tests.fakes.bench import bench, from_snapshot, from_volume
from tests.fakes.memory import MemoryDriver, MemoryOptions

UNIT = 4 * MIB
CAPACITY = GIB
NAMES = st.sampled_from(["a", "b", "c"])
SIZES = st.sampled_from([5 * MIB, 8 * MIB, 20 * MIB, 2 * GIB])


@dataclass(frozen=True)
class Known:
    """A volume or snapshot as it has to be; ``of`` is the id of what it was made from."""

    id: str
    size: int = 0
    requested: int = 0
    of: str = ""


NOTHING = Known("memory0.nothing")


def outcome(call: Callable[..., Any], *args: Any, **fields: Any) -> tuple[str, Any]:
    """How the call ends, and what it returns."""
    try:
        return "OK", call(*args, **fields)
    except grpc.RpcError as error:
        return error.code().name, None


class Controller(RuleBasedStateMachine):
    """The service and its model, which are told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        backends = {"fast": (MemoryDriver, MemoryOptions(capacity=CAPACITY))}
        self.running = self.stack.enter_context(bench(backends))
        self.volumes: dict[str, Known] = {}
        self.snapshots: dict[str, Known] = {}

    def teardown(self) -> None:
        self.stack.close()

    @property
    def free(self) -> int:
        return CAPACITY - sum(
            each.size for each in (*self.volumes.values(), *self.snapshots.values())
        )

    @rule(name=NAMES, size=SIZES)
    def create(self, name: str, size: int) -> None:
        self._create(name, size, None, None)

    @rule(name=NAMES, size=SIZES, of=NAMES)
    def clone(self, name: str, size: int, of: str) -> None:
        origin = self.volumes.get(of, NOTHING)
        self._create(name, size, origin, from_volume(origin.id))

    @rule(name=NAMES, size=SIZES, of=NAMES)
    def restore(self, name: str, size: int, of: str) -> None:
        origin = self.snapshots.get(of, NOTHING)
        self._create(name, size, origin, from_snapshot(origin.id))

    def _create(
        self, name: str, size: int, of: Known | None, content: pb.VolumeContentSource | None
    ) -> None:
        expected = self._creation(self.volumes.get(name), size, of)
        code, made = outcome(self.running.create, name, size, volume_content_source=content)
        assert code == expected
        if made:
            fresh = Known(made.volume_id, round_up(size, UNIT), size, of.id if of else "")
            known = self.volumes.setdefault(name, fresh)
            assert (made.volume_id, made.capacity_bytes) == (known.id, known.size)

    def _creation(self, known: Known | None, size: int, of: Known | None) -> str:
        if known:
            same = known.of == (of.id if of else "")
            return "OK" if same and size <= max(known.requested, known.size) else "ALREADY_EXISTS"
        if of is NOTHING:
            return "NOT_FOUND"
        if of and round_up(size, UNIT) < of.size:
            return "OUT_OF_RANGE"
        return "OK" if round_up(size, UNIT) <= self.free else "RESOURCE_EXHAUSTED"

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        self.running.delete(self.volumes.pop(name, NOTHING).id)

    @rule(name=NAMES, size=SIZES)
    def expand(self, name: str, size: int) -> None:
        known = self.volumes.get(name, NOTHING)
        larger = max(known.size, round_up(size, UNIT))
        room = "OK" if larger - known.size <= self.free else "RESOURCE_EXHAUSTED"
        code, grown = outcome(self.running.expand, known.id, size)
        assert code == ("NOT_FOUND" if known is NOTHING else room)
        if grown:
            assert grown == larger
            self.volumes[name] = replace(known, size=larger)

    @rule(name=NAMES, of=NAMES)
    def snapshot(self, name: str, of: str) -> None:
        origin = self.volumes.get(of, NOTHING)
        expected = self._snapshot(self.snapshots.get(name), origin)
        code, made = outcome(self.running.snapshot, name, pb.Volume(volume_id=origin.id))
        assert code == expected
        if made:
            fresh = Known(made.snapshot_id, made.size_bytes, of=made.source_volume_id)
            assert self.snapshots.setdefault(name, fresh) == fresh

    def _snapshot(self, known: Known | None, origin: Known) -> str:
        if known:
            return "OK" if known.of == origin.id else "ALREADY_EXISTS"
        if origin is NOTHING:
            return "NOT_FOUND"
        return "OK" if origin.size <= self.free else "RESOURCE_EXHAUSTED"

    @rule(name=NAMES)
    def delete_snapshot(self, name: str) -> None:
        known = self.snapshots.pop(name, NOTHING)
        request = pb.DeleteSnapshotRequest(snapshot_id=known.id)
        self.running.client.controller.DeleteSnapshot(request)

    @invariant()
    def the_lists_are_the_model(self) -> None:
        assert self.running.ids() == _ids(self.volumes)
        assert self.running.snapshot_ids() == _ids(self.snapshots)

    @invariant()
    def the_room_is_what_is_left(self) -> None:
        assert self.running.capacity() == (self.free, self.free)


def _ids(objects: Mapping[str, Known]) -> list[str]:
    return sorted(each.id for each in objects.values())


Controller.TestCase.settings = settings(deadline=None, max_examples=30, stateful_step_count=25)
TestAnySequence = Controller.TestCase
