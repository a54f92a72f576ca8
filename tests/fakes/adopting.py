"""The driver in memory, with things in its storage that somebody else made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from drivers.errors import AlreadyManaged, Exists, InUse, NotFound, Unmanageable
from drivers.exec import Run
from drivers.interface import ManageDriver, ManageSnapshotsDriver, volumedriver
from drivers.manageable import (
    AdoptionSpec,
    Found,
    Hindrance,
    Manageable,
    Obstacle,
    Page,
    Query,
    Reference,
    SnapshotAdoptionSpec,
)
from drivers.model import Adoption, Content, Snapshot, SnapshotId, Volume, VolumeId, VolumeMode
from drivers.paging import page
from tests.fakes.anonymous import Anonymous
from tests.fakes.memory import REGISTRY, MemoryDriver


@dataclass(slots=True)
class Thing:
    """An object in the storage. ``of`` is the name of the thing that it is a snapshot of."""

    name: str
    uuid: str
    bytes: Anonymous
    size: int
    fs_type: str = "ext4"
    of: str = ""
    id: str = ""
    owner: str = ""
    open: bool = False
    unfinished: bool = False


@volumedriver("adopting", registry=REGISTRY)
class AdoptingDriver(MemoryDriver, ManageDriver, ManageSnapshotsDriver):
    """Volumes in memory, with every ability there is, beside things of other people."""

    def __init__(self, name: str, options: msgspec.Struct, run: Run) -> None:
        super().__init__(name, options, run)
        self.things: dict[str, Thing] = {}
        self.meanwhile: Callable[[], None] = lambda: None
        """Called while a thing is being brought in."""
        """What is in the storage, by name."""

    @property
    def storage_name(self) -> str:
        return f"vg-{self.options.backend_id}"

    def lay(self, name: str, size: int, content: bytes = b"", **facts: Any) -> Thing:
        """Somebody else makes a thing."""
        data = Anonymous(size)
        with data.path.open("r+b") as file:
            file.write(content)
        self.things[name] = Thing(name, f"uuid-{name}", data, size, **facts)
        return self.things[name]

    def manage_existing(self, spec: AdoptionSpec, reference: Reference) -> Volume:
        with self._change():
            thing = self._find(reference, snapshots=False)
            if found := self._mine(thing, spec.owner):
                return self.get_volume(VolumeId(found))
            if self.find_volume(spec.name):
                raise Exists(f"volume {spec.name!r} is another one")
            self.meanwhile()
            fs_type = thing.fs_type if spec.properties.mode is VolumeMode.FILESYSTEM else ""
            volume = Volume(
                id=VolumeId(self._id("volume")),
                size=thing.size,
                requested=thing.size,
                content=Content.ADOPTED,
                properties=replace(spec.properties, fs_type=fs_type),
                adopted=Adoption(thing.name, spec.owner, spec.allow_delete),
            )
            thing.id, thing.owner = volume.id, spec.owner
            return self._volumes.put(volume, spec.name, thing.bytes)

    def manage_existing_get_size(self, reference: Reference) -> int:
        return self._find(reference, snapshots=False).size

    def unmanage(
        self, volume_id: VolumeId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        with self._change():
            if volume_id in self._connected:
                raise InUse(f"volume {volume_id} is connected")
            if not rehearse:
                self._volumes.drop(volume_id)
            return self._let_go(volume_id, name, rehearse=rehearse)

    def get_manageable_volumes(self, query: Query) -> Page:
        return page(self._entries(query, snapshots=False), query)

    def manage_existing_snapshot(
        self, spec: SnapshotAdoptionSpec, reference: Reference
    ) -> Snapshot:
        with self._change():
            thing = self._find(reference, snapshots=True)
            if found := self._mine(thing, spec.owner):
                return self.get_snapshot(SnapshotId(found))
            volume = self.get_volume(VolumeId(self.things[thing.of].id))
            snapshot = Snapshot(
                id=SnapshotId(self._id("snapshot")),
                volume_id=volume.id,
                size=thing.size,
                created=datetime.now(UTC),
                content=Content.ADOPTED,
                properties=volume.properties,
                labels=dict(spec.labels),
                adopted=Adoption(thing.name, spec.owner, spec.allow_delete),
            )
            thing.id, thing.owner = snapshot.id, spec.owner
            return self._snapshots.put(snapshot, spec.name, thing.bytes)

    def manage_existing_snapshot_get_size(self, reference: Reference) -> int:
        return self._find(reference, snapshots=True).size

    def unmanage_snapshot(
        self, snapshot_id: SnapshotId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        with self._change():
            if not rehearse:
                self._snapshots.drop(snapshot_id)
            return self._let_go(snapshot_id, name, rehearse=rehearse)

    def get_manageable_snapshots(self, query: Query) -> Page:
        return page(self._entries(query, snapshots=True), query)

    def _find(self, reference: Reference, *, snapshots: bool) -> Thing:
        for thing in self.things.values():
            named = reference.name in ("", thing.name)
            if named and reference.uuid in ("", thing.uuid) and bool(thing.of) is snapshots:
                return thing
        raise NotFound(f"{self.storage_name} has no {reference}")

    def _mine(self, thing: Thing, owner: str) -> str:
        obstacle = self._obstacle(thing)
        if obstacle is None:
            return ""
        if obstacle.hindrance is not Hindrance.MANAGED:
            raise Unmanageable(f"{thing.name}: {obstacle.words}", obstacle)
        if thing.owner != owner:
            raise AlreadyManaged(f"{thing.name}: {obstacle.words}")
        return thing.id

    def _obstacle(self, thing: Thing) -> Obstacle | None:
        if thing.unfinished:
            return Obstacle(Hindrance.UNFINISHED, "it was begun and never finished")
        if thing.id:
            words = f"it is {thing.id} already, brought in for {thing.owner}"
            return Obstacle(Hindrance.MANAGED, words)
        if thing.open:
            return Obstacle(Hindrance.OPEN, "it is open: unmount it")
        if thing.of and not self.things[thing.of].id:
            return Obstacle(Hindrance.ORIGIN, f"{thing.of} is no volume: bring that in first")
        return None

    def _entries(self, query: Query, *, snapshots: bool) -> Iterator[Manageable]:
        for thing in self.things.values():
            if bool(thing.of) is not snapshots:
                continue
            obstacle = self._obstacle(thing)
            # What cannot be brought in is not looked into.
            is_seen = query.probe and obstacle is None
            found = Found(thing.fs_type, VolumeMode.FILESYSTEM) if is_seen else None
            origin = Reference(thing.of, f"uuid-{thing.of}") if thing.of else None
            yield Manageable(
                reference=Reference(thing.name, thing.uuid),
                size=thing.size,
                obstacle=obstacle,
                manager="hearth" if thing.id or thing.unfinished else "",
                id=thing.id,
                owner=thing.owner,
                found=found,
                origin=origin,
            )

    def _let_go(self, object_id: str, name: str | None, *, rehearse: bool) -> Reference | None:
        thing = next((each for each in self.things.values() if each.id == object_id), None)
        if thing is None:
            return None
        if name and name != thing.name and name in self.things:
            raise Exists(f"there is a {name} already")
        if rehearse:
            return Reference(name or thing.name, thing.uuid)
        del self.things[thing.name]
        thing.name, thing.id, thing.owner = name or thing.name, "", ""
        self.things[thing.name] = thing
        return Reference(thing.name, thing.uuid)
