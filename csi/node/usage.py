"""How full a published volume is, and making its filesystem as large as its device.

Statistics answer from the mount alone: neither a lock nor the storage is waited for.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from csi.node.connections import Connections
from csi.node.devices import Device
from csi.node.filesystems import filesystems
from csi.node.mounts import Mounts, NoPlace, Place
from csi.node.staging import NODE
from drivers.backends import Backends
from drivers.errors import Busy, Invalid, NotFound, OutOfRange, Precondition, Unavailable
from drivers.exec import Run
from drivers.locks import Locks
from drivers.model import FsType, VolumeId
from drivers.mountinfo import Device as Number
from drivers.mountinfo import Mount
from drivers.proof import number_of, size_of


@dataclass(frozen=True, slots=True)
class Amount:
    """Bytes or inodes."""

    total: int
    available: int
    used: int


@dataclass(frozen=True, slots=True)
class Use:
    """``inodes`` is None where they are not counted. Of a raw device only the total is known."""

    bytes: Amount
    inodes: Amount | None = None


class Usage:
    """Statistics and growth of what is published or staged."""

    def __init__(
        self, backends: Backends, connections: Connections, locks: Locks, mounts: Mounts, run: Run
    ) -> None:
        self._backends = backends
        self._connections = connections
        self._locks = locks
        self._mounts = mounts
        self._filesystems = filesystems(run, mounts)
        self._last: dict[str, Use] = {}

    def stats(self, volume_id: VolumeId, path: Path) -> Use:
        """How full the volume is that ``path`` shows.

        Raises `NotFound` if the volume is not known, or ``path`` does not show it.
        """
        self._backends.owner(volume_id)
        try:
            with self._mounts.place(path) as place:
                self._require_shown(volume_id, place)
                use = self._last[volume_id] = self._use(place)
                return use
        except (Invalid, NoPlace) as error:
            raise NotFound(f"volume {volume_id} is not at {str(path)!r}: {error}") from error

    def last(self) -> Mapping[str, Use]:
        """What `stats` said last of each volume that it was asked for, since that was staged."""
        return dict(self._last)

    def forget(self, volume_id: VolumeId) -> None:
        """The volume is not staged any more."""
        self._last.pop(volume_id, None)

    def expand(self, volume_id: VolumeId, path: Path, required: int) -> int:
        """Make the filesystem that ``path`` shows as large as its device; returns the bytes of that.

        Success if it is; a raw device has nothing to grow, and may be given by its staging path too.
        Raises `NotFound` as `stats`, and `OutOfRange` if the device has fewer than ``required`` bytes: it
        is grown by ControllerExpandVolume, which comes first.
        """
        self._backends.owner(volume_id)  # an unknown volume is that, whatever its path
        with self._locks.hold(volume_id):
            found = self._at(path) or self._at(path / NODE)
            if found is None:
                raise NotFound(f"volume {volume_id} is not at {path}")
            with self._connections.device(volume_id) as device:
                self._expand(volume_id, device, found, required)
                return device.size

    def _at(self, path: Path) -> Mount | None:
        try:
            with self._mounts.place(path) as place:
                return self._mounts.at(place)
        except NoPlace:
            return None

    def _expand(self, volume_id: VolumeId, device: Device, shown: Mount, required: int) -> None:
        if not self._mounts.shows(shown, device.number):
            raise NotFound(f"{shown.target} shows something else than volume {volume_id}")
        if device.size < required:
            raise OutOfRange(
                f"volume {volume_id} has {device.size} bytes, not {required}: grow the volume first"
            )
        if shown.fs_type in {each.value for each in FsType}:
            self._grow(device, shown)

    def _grow(self, device: Device, shown: Mount) -> None:
        # A publication may be read-only; the staged mount never is.
        for mount in self._mounts.on(device.number):
            if "rw" in mount.options and mount.root == shown.root:
                with (
                    self._mounts.place(mount.target) as place,
                    self._mounts.directory(place) as descriptor,
                ):
                    self._filesystems[FsType(shown.fs_type)].grow(descriptor, device)
                return
        raise Precondition(f"{device.path} is mounted nowhere for writing, so it cannot be grown")

    def _require_shown(self, volume_id: VolumeId, place: Place) -> None:
        number = self._connections.remembered(volume_id)
        mount = self._mounts.at(place)
        if mount is not None and number is None:
            number = self._asked(volume_id, place)
        # Where nobody can tell now, the caller's word has to do: it only reads.
        shown = mount is not None and (number is None or self._mounts.shows(mount, number))
        if not shown:
            raise NotFound(f"volume {volume_id} is not at {place.path}")

    def _asked(self, volume_id: VolumeId, place: Place) -> Number | None:
        with suppress(Busy), self._locks.hold(volume_id):
            if self._mounts.at(place) is not None:  # not unstaged meanwhile
                return self._connections.number(volume_id)
        return None

    def _use(self, place: Place) -> Use:
        with self._mounts.opened(place) as descriptor:
            if number_of(descriptor) is not None:
                return _size(descriptor)
            try:
                return _fill(os.fstatvfs(descriptor))
            except OSError as error:
                raise Unavailable(f"{place.path} cannot be read: {error.strerror}") from error


def _fill(found: os.statvfs_result) -> Use:
    unit = found.f_frsize
    total, free = found.f_blocks * unit, found.f_bfree * unit
    inodes = Amount(found.f_files, found.f_favail, found.f_files - found.f_ffree)
    # btrfs makes inodes as it needs them, and counts none.
    return Use(Amount(total, found.f_bavail * unit, total - free), inodes if inodes.total else None)


def _size(node: int) -> Use:
    try:
        device = os.open(f"/proc/self/fd/{node}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unavailable(f"the device cannot be opened: {error.strerror}") from error
    try:
        return Use(Amount(total=size_of(device), available=0, used=0))
    finally:
        os.close(device)
