"""A node process without its sockets: the drivers and rules that `csi.app` wires, called directly.

The words here are those of a test: objects are named by the caller's names, and their ids are looked up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from csi.controller.access import Access
from csi.controller.parameters import BACKEND, OURS
from csi.controller.provisioner import Provisioner
from csi.controller.requests import VolumeRequest
from csi.node.access import Access as Use
from csi.node.filesystems import filesystems, parse_flags
from csi.node.mounts import Mounts
from csi.node.servicer import rules
from drivers.backends import Backend, Backends
from drivers.errors import Busy
from drivers.exec import Run
from drivers.locks import Locks
from drivers.lvm.driver import LvmDriver
from drivers.lvm.options import Options
from drivers.model import (
    Connection,
    SizeRange,
    Snapshot,
    SnapshotId,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeMode,
)
from drivers.options import check
from tests.crash.disks import GROUP, Disks

NAME = "b"
NOBODY: Mapping[str, str] = MappingProxyType({})
WRITER = "SINGLE_NODE_WRITER"
PATIENCE = 60.0

Answer = TypeVar("Answer")
Made = TypeVar("Made", Volume, Snapshot)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a node process finds its disks, directories and options."""

    disks: Disks
    options: Mapping[str, object] = field(default_factory=dict)

    @property
    def runtime(self) -> Path:
        """Where the driver keeps the private configuration of LVM."""
        return self.disks.folder / "run"

    @property
    def kubelet(self) -> Path:
        """The kubelet's directory."""
        return self.disks.kubelet


class Node:
    """The parts of one process."""

    def __init__(self, home: Home, run: Run, ids: Mapping[str, str]) -> None:
        """``ids`` are those of objects that were made before, by name: what a caller remembers."""
        self.ids = dict(ids)
        # Copies of the metadata are made by the clock, and no point could be counted on.
        given = {"runtimeDirectory": str(home.runtime), "backupDirectory": None, **home.options}
        raw = {"volumeGroup": GROUP, **given}
        self.home = home
        self.driver = LvmDriver(NAME, check(raw, Options), run)
        self.backends = Backends([Backend(self.driver)])
        locks, mounts = Locks(), Mounts(home.kubelet, run)
        kinds = filesystems(run, mounts)
        self.provisioner = Provisioner(
            self.backends, locks, "here", lambda kind, flags: parse_flags(kinds[kind], flags)
        )
        self.rules = rules(self.backends, locks, mounts, run)

    # Asking

    def volume(self, name: str) -> Volume:
        """The volume of that name."""
        if name in self.ids:
            return self.driver.get_volume(VolumeId(self.ids[name]))
        found = self.driver.find_volume(name)
        assert found is not None, f"there is no volume {name}"
        return found

    def snapshot_of(self, name: str) -> Snapshot:
        """The snapshot of that name."""
        if name in self.ids:
            return self.driver.get_snapshot(SnapshotId(self.ids[name]))
        found = self.driver.find_snapshot(name)
        assert found is not None, f"there is no snapshot {name}"
        return found

    # The Controller service

    def create(
        self,
        name: str,
        size: int,
        *,
        fs: str = "",
        source: Source | None = None,
        **options: str,
    ) -> Volume:
        """Create a volume; without ``fs`` it is a raw device."""
        mode = VolumeMode.FILESYSTEM if fs else VolumeMode.BLOCK
        access = Access(mode, WRITER, fs)
        parameters = {BACKEND: NAME, **{f"{OURS}{key}": value for key, value in options.items()}}
        request = VolumeRequest(name, SizeRange(size), (access,), parameters, source)
        return self._remembered(name, self.provisioner.create(request))

    def restore(self, name: str, size: int, snapshot: str, *, fs: str = "") -> Volume:
        """Create a volume from a snapshot."""
        source = Source(SourceKind.SNAPSHOT, self.ids[snapshot])
        return self.create(name, size, fs=fs, source=source)

    def clone(self, name: str, size: int, volume: str, *, fs: str = "") -> Volume:
        """Create a volume from a volume."""
        source = Source(SourceKind.VOLUME, self.ids[volume])
        return self.create(name, size, fs=fs, source=source)

    def snapshot(self, name: str, volume: str) -> Snapshot:
        """Cut a snapshot."""
        return self._remembered(name, self.provisioner.snapshot(name, self.ids[volume], {}))

    def delete(self, volume: str) -> None:
        """Delete a volume."""
        self.provisioner.delete(self.ids[volume])

    def delete_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot."""
        self.provisioner.delete_snapshot(self.ids[snapshot])

    def expand(self, volume: str, size: int) -> Volume:
        """Grow a volume."""
        return self.provisioner.expand(self.ids[volume], SizeRange(size))

    def revert(self, volume: str, snapshot: str) -> Volume:
        """Take a volume back."""
        return self.provisioner.revert(self.ids[volume], self.ids[snapshot])

    def _remembered(self, name: str, made: Made) -> Made:
        self.ids[name] = made.id
        return made

    # The Node service

    def staging(self, volume_id: VolumeId) -> Path:
        """The staging path of a volume; kubelet makes the directory."""
        path = self.home.kubelet / "plugins" / volume_id
        path.mkdir(parents=True, exist_ok=True)
        return path

    def target(self, volume_id: VolumeId) -> Path:
        """The target path of a volume in its pod; kubelet makes the directory above."""
        path = self.home.kubelet / "pods" / volume_id / "mount"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def stage(self, name: str) -> Path:
        """Stage a volume as it was made; returns where it can be reached."""
        volume = self.volume(name)
        path = self.staging(volume.id)
        self.rules.staging.stage(volume.id, path, use_of(volume))
        return path

    def publish(self, name: str) -> Path:
        """Publish a staged volume to its one pod."""
        volume = self.volume(name)
        target, staging = self.target(volume.id), self.staging(volume.id)
        self.rules.publisher.publish(volume.id, staging, target, use_of(volume), read_only=False)
        return target

    def unpublish(self, name: str) -> None:
        """Undo `publish`."""
        volume_id = VolumeId(self.ids[name])
        self.rules.publisher.unpublish(volume_id, self.target(volume_id))

    def unstage(self, name: str) -> None:
        """Undo `stage`."""
        volume_id = VolumeId(self.ids[name])
        self.rules.staging.unstage(volume_id, self.staging(volume_id))

    def staging_of(self, name: str) -> Path:
        """As `staging`, by name."""
        return self.staging(VolumeId(self.ids[name]))

    def target_of(self, name: str) -> Path:
        """As `target`, by name."""
        return self.target(VolumeId(self.ids[name]))

    def grow(self, name: str) -> int:
        """Make the filesystem of a staged volume as large as its device."""
        volume = self.volume(name)
        return self.rules.usage.expand(volume.id, self.staging(volume.id), volume.size)

    # Waiting and cleaning

    def settle(self) -> None:
        """Wait for the background work."""
        self.driver.list_volumes()  # looks at the group, so that what follows is not old
        until = time.monotonic() + PATIENCE
        while True:
            stats = self.driver.get_volume_stats({}, refresh=False)
            if not stats.wiping and not stats.jobs:
                return
            assert time.monotonic() < until, f"background work does not end: {stats}"
            time.sleep(0.02)

    def clear(self) -> None:
        """Delete everything, as its owner would."""
        for volume in self.driver.list_volumes():
            self._leave(volume.id)
        for made in self.driver.list_group_snapshots():
            done(lambda each=made: self.driver.delete_group_snapshot(each.id))
        for group in self.driver.list_groups():
            self.driver.delete_group(group.id)
        for snapshot in self.driver.list_snapshots():
            done(lambda each=snapshot: self.provisioner.delete_snapshot(each.id))
        for volume in self.driver.list_volumes():
            done(lambda each=volume: self.provisioner.delete(each.id))
        self.settle()

    def _leave(self, volume_id: VolumeId) -> None:
        """What kubelet does when a pod goes; its own directories must be empty then."""
        if (pod := self.home.kubelet / "pods" / volume_id).exists():
            self.rules.publisher.unpublish(volume_id, self.target(volume_id))
            pod.rmdir()
        if (path := self.home.kubelet / "plugins" / volume_id).exists():
            self.rules.staging.unstage(volume_id, path)
            path.rmdir()

    @contextmanager
    def connected(self, name: str) -> Iterator[Connection]:
        """A volume's device, for the block."""
        volume = self.volume(name)
        connection = self.driver.initialize_connection(volume.id)
        try:
            yield connection
        finally:
            self.driver.terminate_connection(volume.id)


@contextmanager
def running(home: Home, run: Run, ids: Mapping[str, str] = NOBODY) -> Iterator[Node]:
    """A process from its start to its orderly end."""
    node = Node(home, run, ids)
    try:
        for backend in node.backends:
            backend.set_up().wait()
            backend.use()
        yield node
    finally:
        node.backends.close()


def done(call: Callable[[], Answer]) -> Answer:
    """The call's answer, repeated while it says that it should be asked again."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return call()
        except Busy:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def use_of(volume: Volume) -> Use:
    """The use that a volume was made for."""
    made = volume.properties
    return Use(made.mode, WRITER, made.fs_type)
