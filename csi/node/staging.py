"""The rules of staging: a volume's filesystem or device is made reachable once on this node.

A filesystem is mounted at the kubelet's staging path; the node of a raw device is bound to a file in
it. The mount table is the only record of that. Every step asks what is there first, so each call may
be repeated after a crash of the last one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from csi.node import detached
from csi.node.access import READER_ONLY, Access
from csi.node.connections import Connections
from csi.node.devices import Device
from csi.node.filesystems import Filesystem, filesystems, parse_flags
from csi.node.filesystems.base import Flags
from csi.node.mounts import Mounts, NoPlace, Place
from csi.node.preparation import Preparation
from drivers.backends import Backends
from drivers.errors import Exists, InUse, Precondition
from drivers.exec import Run
from drivers.interface import VolumeDriver
from drivers.locks import Locks
from drivers.model import Content, Volume, VolumeId, VolumeMode
from drivers.mountinfo import Device as Number
from drivers.mountinfo import Mount

NODE = "device"
"""The file in the staging directory that the node of a raw device is bound to."""

COMPARED = frozenset({"ro", "nosuid", "nodev", "noexec", "noatime", "nodiratime", "relatime"})


@dataclass(frozen=True, slots=True)
class Staged:
    """A volume that is staged: its mount, the place of that, and the device's number."""

    place: Place
    mount: Mount
    number: Number


class Staging:
    """Stages volumes, under one lock for each volume, shared with whoever changes volumes."""

    def __init__(
        self, backends: Backends, connections: Connections, locks: Locks, mounts: Mounts, run: Run
    ) -> None:
        self._backends = backends
        self._connections = connections
        self._locks = locks
        self._mounts = mounts
        self._preparation = Preparation(run)
        self._filesystems = filesystems(run, mounts)

    def stage(self, volume_id: VolumeId, path: Path, access: Access) -> None:
        """Make the volume reachable at ``path``.

        Raises `NotFound`, `Exists` if something else is there or it is there in another way, and
        `Precondition` if it cannot be used so or does not hold what it should.
        """
        with self._locks.hold(volume_id), self._mounts.place(path) as place:
            driver = self._backends.of(volume_id)
            volume = driver.get_volume(volume_id)
            access.require_possible(volume)
            with self._connections.device(volume_id) as device:
                if access.mode is VolumeMode.BLOCK:
                    # The node of a device can be written to on a read-only mount too.
                    device.set_read_only(read_only=access.access_mode == READER_ONLY)
                    self._stage_node(driver, volume, device, place)
                else:
                    self._stage_filesystem(driver, volume, device, place, access)

    def unstage(self, volume_id: VolumeId, path: Path) -> None:
        """Undo `stage`. Success if it is undone; `InUse` while the volume is published or open."""
        with self._locks.hold(volume_id):
            with suppress(NoPlace), self._mounts.place(path) as place:
                if self._mounts.at(place) is not None:
                    self._release(volume_id, place)
                else:
                    self._release_node(volume_id, path / NODE)
            self._connections.end(volume_id)

    @contextmanager
    def staged(self, volume_id: VolumeId, path: Path, mode: VolumeMode) -> Iterator[Staged]:
        """What `stage` made at ``path``; raises `Precondition` if it did not."""
        at = path / NODE if mode is VolumeMode.BLOCK else path
        with self._at(at) as found:
            if found is None:
                raise Precondition(f"volume {volume_id} is not staged at {path}; stage it first")
            place, mount = found
            with self._connections.device(volume_id) as device:
                if not self._mounts.shows(mount, device.number):
                    raise Precondition(f"{path} shows something else than volume {volume_id}")
                yield Staged(place, mount, device.number)

    def flags(self, volume: Volume, access: Access) -> Flags:
        """The mount flags of a request, sorted; raises `Invalid` for one that is not allowed."""
        return parse_flags(self._filesystems[access.filesystem(volume)], access.flags)

    def unmount(self, volume_id: VolumeId, place: Place) -> None:
        """Unmount all that shows the volume at a place; raises `Precondition` if it shows another."""
        while (mount := self._mounts.at(place)) is not None:
            # Where the backend cannot be asked, the caller's word has to do: a node must be able to
            # let go of a dead disk, and unmounting destroys nothing.
            number = self._connections.number(volume_id)
            if number is not None and not self._mounts.shows(mount, number):
                raise Precondition(f"{place.path} shows something else than volume {volume_id}")
            self._mounts.unmount(place)

    @contextmanager
    def _at(self, path: Path) -> Iterator[tuple[Place, Mount] | None]:
        with ExitStack() as stack:
            try:
                place = stack.enter_context(self._mounts.place(path))
            except NoPlace:
                place = None
            mount = self._mounts.at(place) if place else None
            yield (place, mount) if place and mount else None

    def _stage_node(
        self, driver: VolumeDriver, volume: Volume, device: Device, staging: Place
    ) -> None:
        if self._mounts.at(staging) is not None:
            raise Exists(f"something is mounted at {staging.path}; unmount it")
        with self._mounts.place(staging.path / NODE) as place:
            if (found := self._mounts.at(place)) is not None:
                self._require_shows(found, volume.id, device.number)
                return
            self._preparation.prepare_raw(driver, volume)
            self._mounts.make_file(place)
            self._mounts.bind_device(device, place)

    def _stage_filesystem(
        self, driver: VolumeDriver, volume: Volume, device: Device, place: Place, access: Access
    ) -> None:
        filesystem = self._filesystems[access.filesystem(volume)]
        flags = parse_flags(filesystem, access.flags)
        if (found := self._mounts.at(place)) is None:
            self._require_not_mounted(volume, device)
            self._preparation.prepare(driver, volume, device, filesystem)
            what = detached.Filesystem(filesystem.fs_type.value, device, flags.options)
            self._mounts.mount(what, place, flags.attributes)
        else:
            self._require_shows(found, volume.id, device.number)
            _require_mounted_as(found, filesystem, flags)
        if volume.content is not Content.ADOPTED:
            self._grow(filesystem, device, place)

    def _grow(self, filesystem: Filesystem, device: Device, place: Place) -> None:
        # CSI: a restore or clone that is larger than its source has a filesystem of its own size.
        with self._mounts.directory(place) as descriptor:
            filesystem.grow(descriptor, device)

    def _require_not_mounted(self, volume: Volume, device: Device) -> None:
        if others := self._mounts.on(device.number):
            raise InUse(f"volume {volume.id} is mounted at {others[0].target}; unstage it there")

    def _require_shows(self, mount: Mount, volume_id: VolumeId, number: Number) -> None:
        if not self._mounts.shows(mount, number):
            raise Exists(f"{mount.target} shows something else than volume {volume_id}")

    def _release_node(self, volume_id: VolumeId, path: Path) -> None:
        with suppress(NoPlace), self._mounts.place(path) as place:
            if self._mounts.at(place) is not None:
                self._release(volume_id, place)
            self._mounts.remove(place)

    def _release(self, volume_id: VolumeId, place: Place) -> None:
        number = self._connections.number(volume_id)
        shown = self._mounts.on(number) if number is not None else []
        if others := [each for each in shown if each.target != self._mounts.real(place)]:
            raise InUse(f"volume {volume_id} is still mounted at {others[0].target}; unpublish it")
        self.unmount(volume_id, place)


def _require_mounted_as(mount: Mount, filesystem: Filesystem, flags: Flags) -> None:
    as_asked = (
        mount.fs_type == filesystem.fs_type.value
        and mount.options & COMPARED == comparable(flags.attributes)
        and all(filesystem.shows(mount, option) for option in flags.options)
    )
    if not as_asked:
        raise Exists(f"{mount.target} is mounted with other flags or as another filesystem")


def comparable(attributes: frozenset[str]) -> frozenset[str]:
    """The attributes as mountinfo shows them: relatime is what the kernel takes by itself."""
    own = set() if attributes & {"noatime", "strictatime"} else {"relatime"}
    return frozenset((attributes | own) & COMPARED)
