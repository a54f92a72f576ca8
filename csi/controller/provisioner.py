"""The rules of everything that changes volumes and snapshots, free of any protocol.

Every method may be called again with the same arguments after any failure. What a request asks for is
compared and refused here, before a driver does anything; one object is changed by one call at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import BinaryIO

from csi.controller import abilities
from csi.controller.access import CheckFlags
from csi.controller.parameters import BACKEND, snapshot_labels
from csi.controller.requests import VolumeRequest, Wish, wish
from csi.controller.specs import check_growth, spec
from drivers.backends import Backend, Backends, is_id
from drivers.errors import Absent, Exhausted, Exists, Invalid, StorageError, Unavailable
from drivers.exec import unhurried
from drivers.interface import SnapshotDriver, VolumeDriver
from drivers.locks import Locks
from drivers.model import (
    Image,
    SizeRange,
    Snapshot,
    SnapshotId,
    SnapshotSpec,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeMode,
    VolumeSpec,
)

log = logging.getLogger(__name__)


class Provisioner:
    """Makes, grows, copies, reverts and deletes on the backends of one node."""

    def __init__(
        self, backends: Backends, locks: Locks, node: str, check_flags: CheckFlags
    ) -> None:
        """``locks`` are shared with everybody who changes volumes on this node."""
        self._backends = backends
        self._locks = locks
        self._node = node
        self._check_flags = check_flags

    def create(self, request: VolumeRequest) -> Volume:
        """The volume of that name, made now or found.

        Raises `Exists` for one that is not what is asked for, `NotFound` without its source, `Invalid`
        for what this backend never does, `OutOfRange` for a size that cannot be, `Exhausted` where
        another node may do, and `InProgress` while its content is being copied.
        """
        wanted, backend = self._wish(request)
        source = [request.source.id] if request.source else []
        with self._locks.hold(f"name:{request.name}", *source):
            return self._find(wanted, backend) or self._make(wanted, backend)

    def create_from_image(self, request: VolumeRequest, image: BinaryIO, size: int) -> Volume:
        """The volume of that name that begins with the ``size`` bytes of ``image``, made now or found.

        ``request.image`` is their SHA-256. Raises what `create` does, and `Invalid` if the bytes are not
        those. A call that fails leaves no volume; one that is killed leaves a partial one, which nobody
        can use and the next call of that name fills or replaces.
        """
        wanted, backend = self._wish(request)
        with self._locks.hold(f"name:{request.name}"):
            self._drop_partial(wanted)
            volume = self._find(wanted, backend) or self._make(wanted, backend)
            if not volume.is_partial:
                return volume
            return self._fill(volume, backend.driver, image, size)

    def foresee(self, request: VolumeRequest) -> Volume | VolumeSpec:
        """What `create` or `create_from_image` would find or make; nothing is changed. Raises as they do."""
        wanted, backend = self._wish(request)
        if found := self._find(wanted, backend):
            return found
        asked = spec(wanted, backend.driver)
        room = backend.driver.get_volume_stats(asked.options, refresh=True).max_volume_size
        if isinstance(room, int) and room < asked.size.required:
            raise Exhausted(
                f"backend {backend.name!r} has room for a volume of {room} bytes, not for"
                f" {asked.size.required}"
            )
        return asked

    def has_begun(self, name: str) -> bool:
        """Whether a volume of that name is on this node, finished or begun.

        Raises `Busy` while a call for it is in work, and `Unavailable` if a backend that may hold it
        cannot tell.
        """
        with self._locks.hold(f"name:{name}"):
            return any(driver.has_begun_volume(name) for driver in self._backends.all())

    def delete(self, volume_id: str) -> None:
        """Make the volume and its data unreachable; success if there is none of that id."""
        if is_id(volume_id):
            with self._locks.hold(volume_id):
                self._backends.of(volume_id).delete_volume(VolumeId(volume_id))

    def expand(self, volume_id: str, size: SizeRange, mode: VolumeMode | None = None) -> Volume:
        """The volume, grown to at least ``size.required`` bytes; never smaller than it was.

        ``mode`` is how the caller uses it, if told. Raises `OutOfRange`, leaving it as it was, where
        it would be larger than ``size.limit``.
        """
        with self._locks.hold(volume_id):
            driver = self._backends.of(volume_id)
            volume = driver.get_volume(VolumeId(volume_id))
            if mode not in (None, volume.properties.mode):
                raise Invalid(f"volume {volume_id} is a {volume.properties.mode.value} volume")
            check_growth(driver, volume, size)
            # Also where it is that large already: a growth that a crash cut off may be unfinished.
            return driver.extend_volume(volume.id, size.required)

    def snapshot(self, name: str, volume_id: str, parameters: Mapping[str, str]) -> Snapshot:
        """The snapshot of that name, cut now or found.

        Raises `Exists` if it is one of another volume, `NotFound` without the volume, and `Unavailable`
        while a backend that may have one of that name cannot tell.
        """
        if not name:
            raise Invalid("the snapshot has no name")
        labels = snapshot_labels(parameters)
        with self._locks.hold(f"snapshot-name:{name}", volume_id):
            if found := self._find_snapshot(name):
                return _of_volume(found, name, volume_id)
            driver = abilities.snapshots(self._backends.of(volume_id))
            made = driver.create_snapshot(SnapshotSpec(name, VolumeId(volume_id), labels))
            # A backend that has only now recovered may have had one of that name all along.
            return _of_volume(made, name, volume_id)

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove the snapshot; success if there is none of that id."""
        if is_id(snapshot_id):
            with self._locks.hold(snapshot_id):
                driver = self._backends.of(snapshot_id)
                if isinstance(driver, SnapshotDriver):
                    driver.delete_snapshot(SnapshotId(snapshot_id))

    def revert(self, volume_id: str, snapshot_id: str) -> Volume:
        """The volume with the bytes of its snapshot; its size, ids and other snapshots stay."""
        with self._locks.hold(volume_id, snapshot_id):
            driver = self._backends.of(volume_id)
            if self._backends.of(snapshot_id) is not driver:
                raise Invalid(f"snapshot {snapshot_id} is not one of volume {volume_id}")
            able = abilities.reverts(driver)
            return able.revert_to_snapshot(VolumeId(volume_id), SnapshotId(snapshot_id))

    def copy_in(self, volume_id: str, image: BinaryIO, size: int, sha256: str) -> Image:
        """See `VolumeDriver.copy_image_to_volume`."""
        with self._locks.hold(volume_id):
            driver = self._backends.of(volume_id)
            return driver.copy_image_to_volume(VolumeId(volume_id), image, size, sha256)

    def copy_out(self, volume_id: str, image: BinaryIO) -> Image:
        """See `VolumeDriver.copy_volume_to_image`."""
        with self._locks.hold(volume_id):
            return self._backends.of(volume_id).copy_volume_to_image(VolumeId(volume_id), image)

    def _wish(self, request: VolumeRequest) -> tuple[Wish, Backend]:
        if not request.name:
            raise Invalid("the volume has no name")
        backend = self._backend(request.parameters.get(BACKEND, ""))
        wanted = wish(request, type(backend.driver))
        wanted.check_options(self._check_flags)
        return wanted, backend

    def _drop_partial(self, wanted: Wish) -> None:
        """Take away what an earlier call left of another image, or of this one in another volume."""
        for driver in self._backends.usable():
            found = driver.find_volume(wanted.request.name)
            if found and found.is_partial and not wanted.is_served_by(found):
                with self._locks.hold(found.id):
                    driver.delete_volume(found.id)

    def _fill(self, volume: Volume, driver: VolumeDriver, image: BinaryIO, size: int) -> Volume:
        with self._locks.hold(volume.id):
            with ExitStack() as undo:
                undo.callback(_discard, driver, volume)
                sha256 = volume.properties.image
                driver.copy_image_to_volume(volume.id, image, size, sha256)
                undo.pop_all()
            return driver.get_volume(volume.id)

    def _backend(self, name: str) -> Backend:
        known = self._backends.by_name
        if not name and len(known) == 1:
            return next(iter(known.values()))
        if name not in known:
            fault = f"{name!r} is not a backend of node {self._node}" if name else "is missing"
            raise Invalid(f"parameter {BACKEND}: {fault}; allowed: {', '.join(known)}")
        return known[name]

    def _find(self, wanted: Wish, backend: Backend) -> Volume | None:
        """The volume of that name, on whichever backend; the one that is asked for must be able to tell."""
        name = wanted.request.name
        self._require_usable(backend)
        for driver in self._backends.usable():
            if found := driver.find_volume(name):
                if driver is not backend.driver:
                    raise Exists(
                        f"volume {name!r} exists as {found.id} on backend {driver.name!r}, not on"
                        f" {backend.name!r}: delete it first, or use another name"
                    )
                wanted.refuse_unless_served_by(found)
                return found
        return None

    def _require_usable(self, backend: Backend) -> None:
        try:
            self._backends.use(backend)
        except Absent as error:
            # What is absent holds no volume of that name either, so another node may be sought.
            raise Exhausted(str(error)) from None

    def _make(self, wanted: Wish, backend: Backend) -> Volume:
        if not wanted.request.here:
            raise Exhausted(
                f"volume {wanted.request.name!r} is wanted on other nodes than {self._node}, which is"
                " the only one that reaches the disks here"
            )
        if wanted.request.source is not None:
            return self._copy(wanted, backend.driver, wanted.request.source)
        return backend.driver.create_volume(spec(wanted, backend.driver))

    def _copy(self, wanted: Wish, driver: VolumeDriver, source: Source) -> Volume:
        self._refuse_foreign(source, driver)
        if source.kind is SourceKind.SNAPSHOT:
            snapshots = abilities.snapshots(driver)
            snapshot_id = SnapshotId(source.id)
            asked = spec(wanted, driver, snapshots.get_snapshot(snapshot_id))
            return snapshots.create_volume_from_snapshot(asked, snapshot_id)
        asked = spec(wanted, driver, driver.get_volume(VolumeId(source.id)))
        return abilities.clones(driver).create_cloned_volume(asked, VolumeId(source.id))

    def _refuse_foreign(self, source: Source, driver: VolumeDriver) -> None:
        try:
            home = self._backends.owner(source.id)
        except Unavailable as error:
            if self._backends.complete:
                # Of another node, then: the answer that makes the sidecar choose another one.
                raise Exhausted(f"{source.kind.value} {source.id}: {error}") from None
            raise
        if home.driver is not driver:
            raise Invalid(
                f"{source.kind.value} {source.id} is on backend {home.name!r}, and a copy stays there:"
                f" use a StorageClass with {BACKEND}: {home.name}"
            )

    def _find_snapshot(self, name: str) -> Snapshot | None:
        """The snapshot of that name; `Unavailable` if a backend that may hold it cannot tell."""
        # Those that are well first: what one of them has need not wait for the others.
        for backend in sorted(self._backends, key=lambda each: bool(self._backends.trouble(each))):
            if isinstance(backend.driver, SnapshotDriver):
                with suppress(Absent):
                    self._backends.use(backend)
                    if found := backend.driver.find_snapshot(name):
                        return found
        return None


def _of_volume(found: Snapshot, name: str, volume_id: str) -> Snapshot:
    if found.volume_id != volume_id:
        raise Exists(
            f"snapshot {name!r} exists as {found.id} of volume {found.volume_id}, not of {volume_id}:"
            " delete it first, or use another name"
        )
    return found


def _discard(driver: VolumeDriver, volume: Volume) -> None:
    # What the copy came to is what the caller must hear; what stays is replaced by his next call.
    try:
        with unhurried():
            driver.delete_volume(volume.id)
    except StorageError as error:
        log.warning("volume %s holds part of an image and stays: %s", volume.id, error)
