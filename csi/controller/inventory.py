"""The rules of everything that only looks, free of any protocol. Nothing here holds a lock."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from csi.controller import abilities
from csi.controller.access import Access, CheckFlags, agree
from csi.controller.paging import Page, Where, page
from csi.controller.parameters import BACKEND, parse
from drivers.backends import Backends, is_id
from drivers.errors import InUse, Invalid, NotFound, Precondition
from drivers.interface import SnapshotDriver, VolumeDriver
from drivers.model import FsType, Snapshot, SnapshotId, Volume, VolumeId

NEARLY_FULL = 0.95
"""The share of a thin pool's data or metadata from which its volumes are called degraded."""


class Degree(Enum):
    """How bad an ailment is, in CSI's words."""

    DEGRADED = "DEGRADED"
    INACCESSIBLE = "INACCESSIBLE"


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is wrong with a volume; ``reason`` is one CamelCase word for programs."""

    degree: Degree
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Health:
    """What is wrong with the volume of that id; nothing, if it is well."""

    id: str
    ailments: Sequence[Ailment]


class Inventory:
    """What is on the backends of one node."""

    def __init__(self, backends: Backends, check_flags: CheckFlags) -> None:
        self._backends = backends
        self._check_flags = check_flags

    def volume(self, volume_id: str) -> Volume:
        """The volume of that id; raises `NotFound`."""
        return self._backends.of(volume_id).get_volume(VolumeId(volume_id))

    def volumes(self, where: Where, backend: str = "") -> Page[Volume]:
        """Some of all volumes, or of those of one backend; `Unavailable` if one that is here cannot tell."""
        found: list[Volume] = []
        for driver in self._drivers(backend):
            found.extend(driver.list_volumes())
        return page(found, where)

    def revertible(self, volume_id: str, snapshot_id: str) -> Volume:
        """The volume, as far as can be seen without trying whether it can go back to the snapshot.

        Raises what `Provisioner.revert` raises for what is not there, not its, not usable, or open.
        """
        abilities.reverts(self._backends.of(volume_id))
        snapshot = self.snapshot(snapshot_id)
        if snapshot.volume_id != volume_id:
            raise Invalid(f"snapshot {snapshot_id} is not one of volume {volume_id}")
        if not snapshot.usable:
            raise Precondition(f"snapshot {snapshot_id} can no longer be read: delete it")
        volume = self.volume(volume_id)
        if self.in_use([volume]):
            raise InUse(f"{volume_id} is open: end what uses it before it is taken back")
        return volume

    def in_use(self, volumes: Iterable[Volume]) -> Collection[str]:
        """The ids of those of ``volumes`` that somebody on this node has open, or is about to open."""
        found = {each.id for each in volumes}
        drivers = {self._backends.owner(each).name: self._backends.of(each) for each in found}
        return {each for driver in drivers.values() for each in driver.volumes_in_use()} & found

    def backend_of(self, object_id: str) -> str:
        """The name of the backend of an object."""
        return self._backends.owner(object_id).name

    def snapshot(self, snapshot_id: str) -> Snapshot:
        """The snapshot of that id; raises `NotFound`."""
        driver = self._backends.of(snapshot_id)
        if not isinstance(driver, SnapshotDriver):
            raise NotFound(f"there is no snapshot {snapshot_id}: backend {driver.name!r} has none")
        return driver.get_snapshot(SnapshotId(snapshot_id))

    def snapshots(
        self, where: Where, *, of: str = "", only: str = "", backend: str = ""
    ) -> Page[Snapshot]:
        """Some of the snapshots ``of`` one volume, the ``only`` one of an id, or all.

        With an id its owner alone is asked. An id of nothing gives an empty page.
        """
        found = self._one(only) if only else self._snapshots(of, backend)
        return page([each for each in found if of in ("", each.volume_id)], where)

    def refusal(
        self, volume_id: str, accesses: Sequence[Access], parameters: Mapping[str, str]
    ) -> str:
        """Why the volume cannot be used so, in a sentence, or nothing. Raises `NotFound`."""
        driver = self._backends.of(volume_id)
        volume = driver.get_volume(VolumeId(volume_id))
        try:
            if volume.properties.fs_type:
                for access in accesses:
                    self._check_flags(FsType(volume.properties.fs_type), access.flags)
            return _mismatch(volume, driver, accesses, parameters)
        except Invalid as error:
            return str(error)

    def health(self, volume_id: str) -> Health:
        """What is wrong with the volume. Raises `NotFound`, or `Unavailable` where nobody can tell."""
        backend = self._backends.owner(volume_id)
        if (trouble := self._backends.trouble(backend)) is not None:
            ailment = Ailment(Degree.INACCESSIBLE, "BackendUnavailable", str(trouble))
            return Health(volume_id, [ailment])
        return _health(backend.driver, backend.driver.get_volume(VolumeId(volume_id)))

    def ailing(self, where: Where) -> Page[Health]:
        """Some of the volumes that are not well."""
        found = [
            _health(driver, volume)
            for driver in self._backends.all()
            for volume in driver.list_volumes()
        ]
        return page([each for each in found if each.ailments], where)

    def _one(self, snapshot_id: str) -> Sequence[Snapshot]:
        try:
            return [self.snapshot(snapshot_id)]
        except NotFound:
            return []

    def _drivers(self, backend: str) -> Sequence[VolumeDriver]:
        """Of all backends that are here, or of the one of that name."""
        if not backend:
            return self._backends.all()
        if (found := self._backends.by_name.get(backend)) is None:
            known = ", ".join(self._backends.by_name)
            raise Invalid(f"there is no backend {backend!r}; those of this node are: {known}")
        return [self._backends.use(found)]

    def _snapshots(self, volume_id: str, backend: str) -> Sequence[Snapshot]:
        if volume_id and not is_id(volume_id):
            return []
        drivers = [self._backends.of(volume_id)] if volume_id else self._drivers(backend)
        return [
            snapshot
            for driver in drivers
            if isinstance(driver, SnapshotDriver)
            for snapshot in driver.list_snapshots()
        ]


def _mismatch(
    volume: Volume,
    driver: VolumeDriver,
    accesses: Sequence[Access],
    parameters: Mapping[str, str],
) -> str:
    if parameters.get(BACKEND, driver.name) != driver.name:
        return f"volume {volume.id} is on backend {driver.name!r}, not on {parameters[BACKEND]!r}"
    asked = parse(parameters, type(driver))
    use = agree(accesses, asked.fs_type)
    held = volume.properties
    if use.mode is not held.mode:
        return f"volume {volume.id} is a {held.mode.value} volume, not a {use.mode.value} volume"
    if use.fs_type and held.fs_type not in ("", use.fs_type.value):
        return f"volume {volume.id} holds {held.fs_type}, not {use.fs_type.value}"
    for key, value in asked.options.items():
        if (had := volume.options.get(key, "")) != value:
            return f"volume {volume.id} has {key} {had!r}, not {value!r}"
    return ""


def _health(driver: VolumeDriver, volume: Volume) -> Health:
    stats = driver.get_volume_stats(volume.options, refresh=False)
    ailments = []
    for share, what in ((stats.data_ratio, "data"), (stats.metadata_ratio, "metadata")):
        if share is not None and share >= NEARLY_FULL:
            message = (
                f"the {what} area of the thin pool of {volume.id} is {share:.0%} full: add room to"
                f" backend {driver.name!r}, or delete volumes of it"
            )
            ailments.append(Ailment(Degree.DEGRADED, f"Pool{what.title()}NearlyFull", message))
    return Health(volume.id, ailments)
