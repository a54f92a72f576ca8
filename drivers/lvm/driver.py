"""The LVM driver: the interfaces, each method handing on to the part that has the rules."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping, Sequence

import msgspec

from drivers import interface
from drivers.errors import Precondition
from drivers.exec import Run
from drivers.lvm import devices, layouts, names, records, setup
from drivers.lvm.adoption import Adoption
from drivers.lvm.backups import Backups
from drivers.lvm.capacity import ASKING, Capacity
from drivers.lvm.connections import Connections
from drivers.lvm.copies import Copies
from drivers.lvm.group import VolumeGroup
from drivers.lvm.grouping import Grouping
from drivers.lvm.growth import Growth
from drivers.lvm.jobs import Jobs
from drivers.lvm.machine import Machine
from drivers.lvm.manageable import Manageables
from drivers.lvm.options import Layout, WipeOn
from drivers.lvm.options import Options as LvmOptions
from drivers.lvm.release import Release
from drivers.lvm.removal import Removal
from drivers.lvm.revert import Revert
from drivers.lvm.snapshots import Snapshots
from drivers.lvm.stats import Stats
from drivers.lvm.volumes import Volumes
from drivers.lvm.works import Works
from drivers.manageable import AdoptionSpec, Page, Query, Reference, SnapshotAdoptionSpec
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


@interface.volumedriver("lvm")
class LvmDriver(
    Grouping,
    interface.CloneDriver,
    interface.RevertDriver,
    interface.ManageDriver,
    interface.ManageSnapshotsDriver,
):
    """Logical volumes of an LVM volume group: linear, striped, raid1, raid10 and thin.

    Snapshots are copy-on-write for thick volumes and thin for thin ones, of which several in one pool can be
    frozen at one moment. LVM's metadata is the only database: all about a volume is in tags of it.

    A logical volume that somebody else made is taken over by tags alone, and let go by taking them off.
    An inactive one is activated while it is looked at. With leave to delete it, deleting it wipes its
    extents as those of any other volume: others get them next.
    """

    VERSION = "0.1.0"
    VENDOR_NAME = "LVM2"
    CI_WIKI_NAME = "docs/reference/drivers/lvm.md"
    STORAGE_PROTOCOL = "local"
    PARAMETERS = layouts.PARAMETERS
    Options = LvmOptions

    def __init__(self, name: str, options: LvmOptions, run: Run) -> None:
        super().__init__(name, options, run)
        self._group = VolumeGroup(name, options, run, self._machine())
        self._lvm_options = options
        self._jobs = Jobs()
        self._capacity = Capacity(self._group)
        self._removal = Removal(self._group)
        self._connections = Connections(self._group)
        self._volumes = Volumes(self._group, self._capacity, self._removal, self._jobs)
        self._snapshots = Snapshots(self._group, self._volumes, self._removal)
        self._can_group(self._group, self._volumes, self._capacity)
        self._copies = Copies(
            self._group, self._volumes, self._removal, self._connections, self._jobs
        )
        self._growth = Growth(self._group, self._volumes, self._capacity)
        self._revert = Revert(
            self._group, self._volumes, self._snapshots, self._removal, self._capacity
        )
        works = Works(self._group, self._jobs, self._removal, self._growth)
        self._manageables = Manageables(self._group, self._connections, works, run)
        self._adoption = Adoption(self._group, self._volumes, self._snapshots, self._manageables)
        self._release = Release(
            self._group, self._volumes, self._snapshots, self._removal, self._revert
        )
        self._backups = Backups(self._group)
        self._stats = Stats(
            self, self._group, self._capacity, self._removal, self._jobs, self._backups
        )
        self._began = False

    def _machine(self) -> Machine:
        """Where a test puts another machine in."""
        return Machine()

    @property
    def backend_id(self) -> str:
        return self._group.id

    def do_setup(self) -> None:
        if not self._began:
            # Later, what is suspended may be by a cut of this process.
            setup.wake(self._group, self._machine().moment)
        self._group.open()
        setup.heal(self._group)
        setup.free_names(self._group)
        if not self._began:
            # Later, what is frozen and temporary volumes belong to calls of this process.
            setup.thaw(self._group)
            self._growth.recover()
            self._began = True
        self._group_snapshots.recover()
        self._revert.recover()
        self._removal.start()
        self._backups.start()

    def check_for_setup_error(self) -> None:
        setup.check(self._group)

    def close(self) -> None:
        self._group.stop()
        self._jobs.close()
        self._group_snapshots.close()
        self._removal.close()
        self._backups.close()
        self._group.close()

    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        shape = layouts.shape(options, self._lvm_options)
        inventory = self._group.inventory
        now = inventory.recent(ASKING) if refresh else inventory.latest()
        return self._stats.told(now, shape, ask=refresh)

    def look(self) -> VolumeStats:
        # With an LVM configuration of its own: the other is in use by the process that serves.
        with tempfile.TemporaryDirectory(prefix="hearth-lvm-") as directory:
            options = msgspec.structs.replace(self._lvm_options, runtime_directory=directory)
            beside = type(self)(self.name, options, self.run)
            beside._group.open()
            setup.check(beside._group)
            return beside.get_volume_stats({}, refresh=True)

    def create_volume(self, spec: VolumeSpec) -> Volume:
        shape = layouts.shape(spec.options, self._lvm_options)
        if self._lvm_options.wipe_on is WipeOn.BOTH and shape.layout is not Layout.THIN:
            return self._copies.create(spec, None)
        return self._volumes.create(spec)

    def delete_volume(self, volume_id: VolumeId) -> None:
        self._volumes.delete(volume_id)

    def get_volume(self, volume_id: VolumeId) -> Volume:
        now = self._volumes.recent(volume_id)
        return records.volume(now, self._volumes.lv(now, volume_id))

    def find_volume(self, name: str) -> Volume | None:
        now = self._group.read()
        lv = self._volumes.finished(now, name)
        return None if lv is None else records.volume(now, lv)

    def has_begun_volume(self, name: str) -> bool:
        now = self._group.read()
        return self._volumes.finished(now, name) is not None or self._volumes.has_begun(now, name)

    def list_volumes(self) -> Sequence[Volume]:
        now = self._group.read()
        found = records.catalogue(now).volumes
        return [records.volume(now, found[key]) for key in sorted(found)]

    def volumes_in_use(self) -> Collection[VolumeId]:
        now = self._group.read()
        volumes = records.catalogue(now).volumes.items()
        return [VolumeId(f"{now.id}.{key}") for key, lv in volumes if self._group.is_open(lv)]

    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        with self._group.alone() as now:
            lv = self._volumes.lv(now, volume_id)
            if self._volumes.is_settled(lv):
                return self._connections.connect(lv)
        # A leftover, or a revert that is under way and refuses a second one.
        self._revert.finish(lv)
        with self._group.changing() as now:
            # Whoever grows holds the group while the mark stands: what is marked now is a leftover.
            self._growth.finish(now, self._volumes.lv(now, volume_id))
            return self._connections.connect(self._volumes.settled(self._group.read(), volume_id))

    def terminate_connection(self, volume_id: VolumeId) -> None:
        if not self._group.owns(volume_id):
            return
        with self._group.alone() as now:
            lv = self._volumes.find(now, volume_id)
            # A revert needs the device, and takes it away when it is done.
            if lv is not None and not lv.tag(names.REVERTING):
                self._connections.disconnect(lv)

    def extend_volume(self, volume_id: VolumeId, new_size: int) -> Volume:
        return self._growth.extend(volume_id, new_size)

    def set_content(self, volume_id: VolumeId, content: Content) -> Volume:
        return self._volumes.set_content(volume_id, content)

    def create_snapshot(self, spec: SnapshotSpec) -> Snapshot:
        return self._snapshots.create(spec)

    def delete_snapshot(self, snapshot_id: SnapshotId) -> None:
        self._snapshots.delete(snapshot_id)

    def get_snapshot(self, snapshot_id: SnapshotId) -> Snapshot:
        now = self._volumes.recent(snapshot_id)
        return self._snapshots.record(now, self._snapshots.lv(now, snapshot_id))

    def find_snapshot(self, name: str) -> Snapshot | None:
        now = self._group.read()
        lv = self._snapshots.finished(now, name)
        return None if lv is None else self._snapshots.record(now, lv)

    def list_snapshots(self) -> Sequence[Snapshot]:
        return self._snapshots.all(self._group.read())

    def create_volume_from_snapshot(self, spec: VolumeSpec, snapshot_id: SnapshotId) -> Volume:
        lv = self._snapshots.lv(self._group.read(), snapshot_id)
        if devices.is_invalid(self._group, lv):
            raise Precondition(f"snapshot {snapshot_id} overflowed and cannot be used: delete it")
        source = Source(SourceKind.SNAPSHOT, snapshot_id)
        return self._copies.create(spec, source, self._group.object_id(snapshot_id))

    def create_cloned_volume(self, spec: VolumeSpec, volume_id: VolumeId) -> Volume:
        self._volumes.settled(self._group.read(), volume_id)
        source = Source(SourceKind.VOLUME, volume_id)
        return self._copies.create(spec, source, self._group.object_id(volume_id))

    def revert_to_snapshot(self, volume_id: VolumeId, snapshot_id: SnapshotId) -> Volume:
        return self._revert.revert(volume_id, snapshot_id)

    @property
    def storage_name(self) -> str:
        return self._group.name

    def manage_existing(self, spec: AdoptionSpec, reference: Reference) -> Volume:
        return self._adoption.volume(spec, reference)

    def manage_existing_get_size(self, reference: Reference) -> int:
        return self._manageables.find(self._group.read(), reference).shown

    def unmanage(
        self, volume_id: VolumeId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        return self._release.volume(volume_id, name, rehearse=rehearse)

    def get_manageable_volumes(self, query: Query) -> Page:
        return self._manageables.volumes(query)

    def manage_existing_snapshot(
        self, spec: SnapshotAdoptionSpec, reference: Reference
    ) -> Snapshot:
        return self._adoption.snapshot(spec, reference)

    def manage_existing_snapshot_get_size(self, reference: Reference) -> int:
        return self._manageables.find(self._group.read(), reference).shown

    def unmanage_snapshot(
        self, snapshot_id: SnapshotId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        return self._release.snapshot(snapshot_id, name, rehearse=rehearse)

    def get_manageable_snapshots(self, query: Query) -> Page:
        return self._manageables.snapshots(query)
