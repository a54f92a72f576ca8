"""A driver that keeps everything in memory, for tests of what lies above drivers, without root.

It is a driver in earnest: it keeps state, is idempotent, refuses what the contract refuses, and its
volumes are devices of a kind (anonymous files that a path leads to). Its options let a test choose how
big it is and how it misbehaves; its attributes let a test change that while it runs.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import ClassVar, Literal

import msgspec

from drivers.errors import (
    Absent,
    Exhausted,
    InProgress,
    InUse,
    Invalid,
    OutOfRange,
    Unavailable,
)
from drivers.exec import Run
from drivers.interface import (
    CloneDriver,
    Registry,
    RevertDriver,
    SnapshotDriver,
    VolumeDriver,
    volumedriver,
)
from drivers.model import (
    GIB,
    INFINITE,
    MIB,
    UNKNOWN,
    Capacity,
    Connection,
    Content,
    Snapshot,
    SnapshotId,
    SnapshotSpec,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeSpec,
    VolumeStats,
)
from tests.fakes.anonymous import Anonymous
from tests.fakes.moods import Moods
from tests.fakes.shelf import Held, Shelf

REGISTRY = Registry()
"""Drivers that no installation offers."""


class MemoryOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """How big the backend is and what it tells."""

    backend_id: str = "memory0"
    capacity: int = 100 * GIB
    unit: int = 4 * MIB
    tells: Literal["numbers", "unknown", "infinite"] = "numbers"
    layouts: tuple[str, ...] = ("linear", "striped")


@volumedriver("plain", registry=REGISTRY)
class PlainDriver(VolumeDriver):
    """Volumes in memory, without any other ability."""

    VERSION = "1.0.0"
    VENDOR_NAME = "Hearth tests"
    CI_WIKI_NAME = "tests/fakes/memory.py"
    STORAGE_PROTOCOL = "memory"
    PARAMETERS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "layout": ("linear", "striped"),
        "stripes": (),
    }
    Options = MemoryOptions
    options: MemoryOptions

    def __init__(self, name: str, options: msgspec.Struct, run: Run) -> None:
        super().__init__(name, options, run)
        self.moods = Moods()
        self.set_ups = 0
        self._ready = False
        self._lock = threading.RLock()
        self._volumes: Shelf[Volume] = Shelf()
        self._snapshots: Shelf[Snapshot] = Shelf()
        self._connected: set[str] = set()
        self._numbers = itertools.count(1)

    @property
    def backend_id(self) -> str:
        if not self._ready:
            raise Unavailable(f"{self.name} is not set up")
        return self.options.backend_id

    def do_setup(self) -> None:
        self.set_ups += 1
        self.moods.set_up_gate.wait()
        if self.moods.absent:
            raise Absent(f"no memory called {self.options.backend_id}")
        if self.moods.broken:
            raise Unavailable(self.moods.broken)
        self.moods.unhealthy = ""
        self._ready = True

    def check_for_setup_error(self) -> None:
        if self.options.unit < 1:
            raise Invalid("unit is below 1")

    def close(self) -> None:
        self._ready = False

    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        free = self.options.capacity - self._used()
        largest = free // self.options.unit * self.options.unit
        if options.get("layout") == "striped":
            largest //= 2
        state = VolumeStats(
            driver_version=self.VERSION,
            vendor_name=self.VENDOR_NAME,
            volume_backend_name=self.name,
            storage_protocol=self.STORAGE_PROTOCOL,
            total_capacity=self._told(self.options.capacity),
            free_capacity=self._told(free),
            max_volume_size=self._told(largest),
            allocation_unit=self.options.unit,
            data_ratio=self.moods.fill,
            metadata_ratio=0.1,
            volumes=len(self._volumes.all()),
            snapshots=len(self._snapshots.all()),
            unhealthy=self.moods.unhealthy,
        )
        return replace(state, **self.moods.told)

    def create_volume(self, spec: VolumeSpec) -> Volume:
        with self._change():
            if spec.options.get("stripes", "2") != "2":
                raise Invalid(f"stripes: {spec.options['stripes']!r} is not 2, the disks there are")
            return self.find_volume(spec.name) or self._make(spec, Content.BLANK)

    def delete_volume(self, volume_id: VolumeId) -> None:
        with self._change():
            if volume_id in self._connected:
                raise InUse(f"volume {volume_id} is connected")
            self._volumes.drop(volume_id)

    def get_volume(self, volume_id: VolumeId) -> Volume:
        return self._volumes.get(volume_id).record

    def find_volume(self, name: str) -> Volume | None:
        return self._volumes.find(name)

    def list_volumes(self) -> Sequence[Volume]:
        return self._volumes.all()

    def volumes_in_use(self) -> Collection[VolumeId]:
        return [VolumeId(each) for each in self._connected]

    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        held = self._volumes.get(volume_id)
        self._connected.add(volume_id)
        path = held.bytes.path
        return Connection(path, held.record.size, backing_file=path)

    def terminate_connection(self, volume_id: VolumeId) -> None:
        self._connected.discard(volume_id)

    def extend_volume(self, volume_id: VolumeId, new_size: int) -> Volume:
        with self._change():
            volume = self.get_volume(volume_id)
            size = max(volume.size, self._round(new_size))
            self._take(size - volume.size)
            os.truncate(self._volumes.get(volume_id).bytes.path, size)
            return self._volumes.keep(replace(volume, size=size))

    def set_content(self, volume_id: VolumeId, content: Content) -> Volume:
        with self._change():
            return self._volumes.keep(replace(self.get_volume(volume_id), content=content))

    @contextmanager
    def _change(self) -> Iterator[None]:
        self.moods.entered.set()
        self.moods.gate.wait()
        if not self._ready:
            raise Unavailable(f"{self.name} is not set up")
        with self._lock:
            yield

    def _make(
        self,
        spec: VolumeSpec,
        content: Content,
        data: Anonymous | None = None,
        source: Source | None = None,
    ) -> Volume:
        size = self._round(spec.size.required)
        if size not in spec.size:
            raise OutOfRange(f"{spec.size.required} bytes become {size}, above {spec.size.limit}")
        self._take(size)
        volume = Volume(
            id=VolumeId(self._id("volume")),
            size=size,
            requested=spec.size.required,
            content=content,
            properties=spec.properties,
            options={"layout": "linear", **spec.options},
            source=source,
            zeroed=True,
        )
        return self._volumes.put(volume, spec.name, data or Anonymous(size))

    def _id(self, kind: str) -> str:
        return f"{self.options.backend_id}.{kind}-{next(self._numbers):06}"

    def _used(self) -> int:
        volumes = sum(each.size for each in self._volumes.all())
        return volumes + sum(each.size for each in self._snapshots.all())

    def _take(self, size: int) -> None:
        free = self.options.capacity - self._used()
        if size > free:
            raise Exhausted(f"backend {self.name} has {free} bytes left, {size} are needed")

    def _round(self, size: int) -> int:
        return -(-size // self.options.unit) * self.options.unit

    def _told(self, number: int) -> Capacity:
        told: Mapping[str, Capacity] = {"unknown": UNKNOWN, "infinite": INFINITE}
        return told.get(self.options.tells, number)


@volumedriver("memory", registry=REGISTRY)
class MemoryDriver(PlainDriver, SnapshotDriver, CloneDriver, RevertDriver):
    """Volumes in memory, with every ability there is."""

    def create_snapshot(self, spec: SnapshotSpec) -> Snapshot:
        with self._change():
            volume = self.get_volume(spec.volume_id)
            if found := self.find_snapshot(spec.name):
                return found
            self._take(volume.size)
            made = Snapshot(
                id=SnapshotId(self._id("snapshot")),
                volume_id=volume.id,
                size=volume.size,
                created=datetime.now(UTC),
                content=volume.content,
                properties=volume.properties,
                labels=dict(spec.labels),
            )
            data = self._volumes.get(volume.id).bytes.copy(volume.size)
            return self._snapshots.put(made, spec.name, data)

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        with self._change():
            self._snapshots.drop(snapshot_id)

    def get_snapshot(self, snapshot_id: SnapshotId) -> Snapshot:
        return self._snapshots.get(snapshot_id).record

    def find_snapshot(self, name: str) -> Snapshot | None:
        return self._snapshots.find(name)

    def list_snapshots(self) -> Sequence[Snapshot]:
        return self._snapshots.all()

    def create_volume_from_snapshot(self, spec: VolumeSpec, snapshot_id: SnapshotId) -> Volume:
        source = Source(SourceKind.SNAPSHOT, snapshot_id)
        return self._copied(spec, self._snapshots.get(snapshot_id), source)

    def create_cloned_volume(self, spec: VolumeSpec, volume_id: VolumeId) -> Volume:
        source = Source(SourceKind.VOLUME, volume_id)
        return self._copied(spec, self._volumes.get(volume_id), source)

    def revert_to_snapshot(self, volume_id: VolumeId, snapshot_id: SnapshotId) -> Volume:
        with self._change():
            held, snapshot = self._volumes.get(volume_id), self._snapshots.get(snapshot_id)
            if snapshot.record.volume_id != volume_id:
                raise Invalid(f"{snapshot_id} is a snapshot of {snapshot.record.volume_id}")
            if volume_id in self._connected:
                raise InUse(f"volume {volume_id} is connected")
            held.bytes = snapshot.bytes.copy(held.record.size)
            content = snapshot.record.content
            if content is Content.ADOPTED and held.record.adopted is None:
                is_copy = held.record.content is Content.INHERITED
                content = Content.INHERITED if is_copy else Content.FORMATTED
            return self._volumes.keep(replace(held.record, content=content))

    def _copied(
        self, spec: VolumeSpec, held: Held[Volume] | Held[Snapshot], source: Source
    ) -> Volume:
        with self._change():
            if found := self.find_volume(spec.name):
                return found
            size = self._round(spec.size.required)
            if size < held.record.size:
                raise OutOfRange(
                    f"{size} bytes are fewer than the {held.record.size} of {source.id}"
                )
            if self.moods.copies:
                self.moods.copies -= 1
                raise InProgress(f"copying {source.id}", done=size // 4, total=size)
            was = held.record.content
            content = Content.INHERITED if was is Content.FORMATTED else was
            return self._make(spec, content, held.bytes.copy(size), source)
