"""The driver: volumes are sparse files, snapshots and clones are copies of files.

It needs nothing but a directory, so it is the default where there is no device-mapper, and it shows
that the contract is not made of LVM. The directory is the whole state (`drivers.loop.shelf`).
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar

import msgspec

from drivers import interface
from drivers.errors import Busy, InUse, Invalid, NotFound, OutOfRange, Unavailable
from drivers.exec import Run
from drivers.loop import convert, copying, devices, durable, room
from drivers.loop.failures import renamed
from drivers.loop.home import Home
from drivers.loop.maker import Maker, Recipe
from drivers.loop.options import Options
from drivers.loop.records import SnapshotRecord, VolumeRecord
from drivers.loop.shelf import Entry
from drivers.model import (
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


@interface.volumedriver("loop")
class LoopDriver(
    interface.VolumeDriver,
    interface.SnapshotDriver,
    interface.CloneDriver,
    interface.RevertDriver,
):
    """Sparse files on loop devices in a directory of this node.

    Snapshots and clones share blocks on filesystems with reflinks (xfs, btrfs): they cost nothing and
    work while the volume is used. Elsewhere they are full copies, made only of what is not connected.

    Files of somebody else are not taken over: the directory is the driver's own, and one would have to
    be moved into it. They go in as images.
    """

    VERSION: ClassVar[str] = "0.1.0"
    VENDOR_NAME: ClassVar[str] = "Hearth"
    CI_WIKI_NAME: ClassVar[str] = "docs/reference/drivers/loop.md"
    STORAGE_PROTOCOL: ClassVar[str] = "local"
    PARAMETERS: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    Options: ClassVar[type[msgspec.Struct]] = Options

    def __init__(self, name: str, options: msgspec.Struct, run: Run) -> None:
        super().__init__(name, options, run)
        self._home = Home(msgspec.convert(options, Options, from_attributes=True))
        self._volumes = Maker(self._home, self._home.volumes)
        self._snapshots = Maker(self._home, self._home.snapshots)

    @property
    def backend_id(self) -> str:
        return self._home.id

    @renamed()
    def do_setup(self) -> None:
        self._home.settle()

    @renamed()
    def check_for_setup_error(self) -> None:
        options = self._home.options
        if not devices.CONTROL.exists():
            raise Unavailable(f"there is no {devices.CONTROL} here: load the module `loop`")
        if options.reflink == "always" and not self._home.shares:
            raise Invalid(
                f"the filesystem of {options.directory} has no reflinks: use xfs or btrfs, or set"
                " `reflink: auto` and accept full copies"
            )

    def close(self) -> None:
        self._volumes.jobs.stop()
        self._snapshots.jobs.stop()

    @renamed()
    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        found = self._home.look() if refresh else self._home.room
        return VolumeStats(
            driver_version=self.VERSION,
            vendor_name=self.VENDOR_NAME,
            volume_backend_name=self.name,
            storage_protocol=self.STORAGE_PROTOCOL,
            total_capacity=found.total,
            free_capacity=found.free,
            provisioned_capacity=found.provisioned,
            max_volume_size=found.free,
            allocation_unit=room.ALIGNMENT,
            volumes=found.volumes,
            snapshots=found.snapshots,
            jobs=(*self._volumes.jobs.progress(), *self._snapshots.jobs.progress()),
        )

    @renamed()
    def create_volume(self, spec: VolumeSpec) -> Volume:
        if found := self.find_volume(spec.name):
            return found
        size = convert.size_of(spec)
        record = convert.volume_record(spec)
        return self._volume(self._volumes.make(Recipe(None, size, size), record))

    @renamed()
    def delete_volume(self, volume_id: VolumeId) -> None:
        if (entry := self._home.volumes.get(self._own(volume_id))) is not None:
            with _unread(entry):
                devices.detach(entry.file)
                self._home.volumes.remove(entry)
            self._home.look()

    @renamed()
    def get_volume(self, volume_id: VolumeId) -> Volume:
        return self._volume(self._volume_entry(volume_id))

    @renamed()
    def find_volume(self, name: str) -> Volume | None:
        entry = self._home.volumes.find(name)
        return None if entry is None else self._volume(entry)

    @renamed()
    def has_begun_volume(self, name: str) -> bool:
        return self._home.volumes.has_begun(name)

    @renamed()
    def list_volumes(self) -> Sequence[Volume]:
        return [self._volume(entry) for entry in self._home.volumes.entries()]

    @renamed()
    def volumes_in_use(self) -> Collection[VolumeId]:
        entries = {entry.file: entry for entry in self._home.volumes.entries()}
        return [self._volume(entries[file]).id for file in devices.attached(entries)]

    @renamed()
    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        entry = self._volume_entry(volume_id)
        with durable.locked(entry.folder):
            path = devices.attach(entry.file)
        return Connection(path, devices.size(path), backing_file=entry.file)

    @renamed()
    def terminate_connection(self, volume_id: VolumeId) -> None:
        if (entry := self._home.volumes.get(self._own(volume_id))) is not None:
            devices.detach(entry.file)

    @renamed()
    def extend_volume(self, volume_id: VolumeId, new_size: int) -> Volume:
        entry = self._volume_entry(volume_id)
        with durable.locked(entry.folder):
            growth = room.round_up(new_size) - entry.size
            if growth > 0:
                with self._home.promise(growth):
                    copying.grow(entry.file, entry.size + growth)
            devices.refresh(entry.file)  # also what a crash between the two left behind
        return self.get_volume(volume_id)

    @renamed()
    def set_content(self, volume_id: VolumeId, content: Content) -> Volume:
        entry = self._volume_entry(volume_id)
        record = msgspec.structs.replace(entry.record, content=content)
        return self._volume(self._home.volumes.replace(entry, record))

    @renamed()
    def create_snapshot(self, spec: SnapshotSpec) -> Snapshot:
        if found := self.find_snapshot(spec.name):
            return found
        origin = self._volume_entry(spec.volume_id)
        record = convert.snapshot_record(spec, origin.record)
        recipe = Recipe(origin, origin.size, need=origin.allocated)
        return self._snapshot(self._snapshots.make(recipe, record))

    @renamed()
    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        if (entry := self._home.snapshots.get(self._own(snapshot_id))) is not None:
            with _unread(entry):
                self._home.snapshots.remove(entry)
            self._home.look()

    @renamed()
    def get_snapshot(self, snapshot_id: SnapshotId) -> Snapshot:
        return self._snapshot(self._snapshot_entry(snapshot_id))

    @renamed()
    def find_snapshot(self, name: str) -> Snapshot | None:
        entry = self._home.snapshots.find(name)
        return None if entry is None else self._snapshot(entry)

    @renamed()
    def list_snapshots(self) -> Sequence[Snapshot]:
        return [self._snapshot(entry) for entry in self._home.snapshots.entries()]

    @renamed()
    def create_volume_from_snapshot(self, spec: VolumeSpec, snapshot_id: SnapshotId) -> Volume:
        if found := self.find_volume(spec.name):
            return found
        source = Source(SourceKind.SNAPSHOT, snapshot_id)
        return self._copied(spec, source, self._snapshot_entry(snapshot_id))

    @renamed()
    def create_cloned_volume(self, spec: VolumeSpec, volume_id: VolumeId) -> Volume:
        if found := self.find_volume(spec.name):
            return found
        source = Source(SourceKind.VOLUME, volume_id)
        return self._copied(spec, source, self._volume_entry(volume_id))

    @renamed()
    def revert_to_snapshot(self, volume_id: VolumeId, snapshot_id: SnapshotId) -> Volume:
        entry, snapshot = self._volume_entry(volume_id), self._snapshot_entry(snapshot_id)
        if snapshot.record.volume_id != volume_id:
            raise Invalid(f"snapshot {snapshot_id} is not one of volume {volume_id}")
        # Another name for the bytes, so that the record's replacement is the one commit.
        record = msgspec.structs.replace(
            entry.record,
            file=f"{convert.DATA}.{uuid.uuid4().hex}",
            content=snapshot.record.content,
            shares=self._home.shares,
        )
        recipe = Recipe(snapshot, entry.size, need=0 if self._home.shares else snapshot.allocated)
        return self._volume(self._volumes.remake(recipe, entry, record))

    def _copied(self, spec: VolumeSpec, source: Source, origin: Entry[Any]) -> Volume:
        if (size := convert.size_of(spec)) < origin.size:
            raise OutOfRange(f"{source.id} has {origin.size} bytes, a copy of it needs as many")
        record = msgspec.structs.replace(
            convert.volume_record(spec),
            content=convert.inherited(origin.record.content),
            source=source,
            shares=self._home.shares,
        )
        # Where blocks are shared, the source may need as many anew as it has now.
        need = size + (origin.allocated if self._home.shares else 0)
        return self._volume(self._volumes.make(Recipe(origin, size, need), record))

    def _volume_entry(self, volume_id: VolumeId) -> Entry[VolumeRecord]:
        if (entry := self._home.volumes.get(self._own(volume_id))) is None:
            raise NotFound(f"there is no volume {volume_id} in backend {self.name}")
        return entry

    def _snapshot_entry(self, snapshot_id: SnapshotId) -> Entry[SnapshotRecord]:
        if (entry := self._home.snapshots.get(self._own(snapshot_id))) is None:
            raise NotFound(f"there is no snapshot {snapshot_id} in backend {self.name}")
        return entry

    def _own(self, full_id: str) -> str:
        """The object's part of an id; empty, which is nobody's, for another backend's id."""
        backend, _, object_id = full_id.partition(".")
        return object_id if backend == self.backend_id else ""

    def _volume(self, entry: Entry[VolumeRecord]) -> Volume:
        return convert.volume(self.backend_id, entry)

    def _snapshot(self, entry: Entry[SnapshotRecord]) -> Snapshot:
        return convert.snapshot(self.backend_id, entry)


@contextmanager
def _unread(entry: Entry[Any]) -> Iterator[None]:
    """Keep copies from beginning; raises `InUse` while one reads the object."""
    with ExitStack() as stack:
        try:
            stack.enter_context(durable.locked(entry.folder))
        except Busy as e:
            raise InUse(f"{entry.record.name} is being copied: wait until that has ended") from e
        yield
