"""The rules of bringing in what somebody else made, and of letting go, free of any protocol.

As in the provisioner: every method may be called again with the same arguments after any failure, and
one object is changed by one call at a time. A rehearsal checks everything and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from csi.controller import abilities
from csi.controller.access import MODES
from csi.controller.orphans import Orphan, Orphans
from drivers.backends import Backend, Backends
from drivers.errors import AlreadyManaged, Exists, Invalid, NotFound, Unmanageable
from drivers.interface import ManageDriver, ManageSnapshotsDriver, VolumeDriver
from drivers.locks import Locks
from drivers.manageable import (
    AdoptionSpec,
    Hindrance,
    Manageable,
    Page,
    Query,
    Reference,
    SnapshotAdoptionSpec,
)
from drivers.model import Snapshot, SnapshotId, Volume, VolumeId, VolumeMode

Listing = Callable[[Query], Page]


@dataclass(frozen=True, slots=True)
class Location:
    """Where something is that was let go of: the storage's own name, and the object's there.

    ``reference`` is None if no volume had the id any more.
    """

    storage: str
    reference: Reference | None


@dataclass(frozen=True, slots=True)
class BroughtIn:
    """What was brought in: under that name, for that owner, in the backend of that name.

    Another backend is not asked: one that is unwell would stand in the way, and one that is absent would
    pass for one that has nothing. The backend's name may be empty where there is only one.
    """

    name: str
    owner: str
    backend: str


class Adoption:
    """Brings in and lets go on the backends of one node."""

    def __init__(self, backends: Backends, locks: Locks) -> None:
        """``locks`` are shared with everybody who changes volumes on this node."""
        self._backends = backends
        self._locks = locks

    def backend(self, name: str, storage: str) -> Backend:
        """The one of that name, or the one on that storage (a volume group); both must agree.

        Raises `Invalid`, with those there are: nothing but the storage of a backend is ever looked at.
        """
        found = [each for each in self._backends if name in ("", each.name)]
        if storage:
            found = [each for each in found if _storage(each.driver) == storage]
        if len(found) == 1:
            return found[0]
        known = ", ".join(f"{each.name} ({_storage(each.driver)})" for each in self._backends)
        what = " ".join(filter(None, (name, storage))) or "none"
        raise Invalid(f"one backend must be named, by name or storage, not {what}; known: {known}")

    def volumes(self, backend: str, query: Query) -> Page:
        """What is no snapshot in a backend's storage, and whether it can be brought in."""
        return abilities.manages(
            self._backends.use(self.backend(backend, ""))
        ).get_manageable_volumes(query)

    def snapshots(self, backend: str, query: Query) -> Page:
        """The snapshots in a backend's storage, as `volumes`."""
        driver = abilities.manages_snapshots(self._backends.use(self.backend(backend, "")))
        return driver.get_manageable_snapshots(query)

    def orphans(self, backend: str = "") -> Iterator[Orphan]:
        """What is left over, as `Orphans.all`."""
        return Orphans(self._backends, self._locks).all(backend)

    def manage(
        self, backend: Backend, spec: AdoptionSpec, reference: Reference, *, rehearse: bool
    ) -> Volume | Manageable:
        """The volume that the object has become; rehearsed, what the object is.

        Raises what `ManageDriver.manage_existing` raises.
        """
        _check(spec)
        driver = abilities.manages(self._backends.use(backend))
        with self._claimed(f"name:{spec.name}", driver.get_manageable_volumes, reference):
            self._refuse_elsewhere(spec.name, backend)
            if not rehearse:
                return driver.manage_existing(spec, reference)
            found = _willing_volume(driver.get_manageable_volumes, reference, spec)
            # Once brought in it is a volume, perhaps in use, and is not looked into any more.
            if not found.id:
                return found
            return self._backends.use(backend).get_volume(VolumeId(found.id))

    def manage_snapshot(
        self,
        backend: Backend,
        spec: SnapshotAdoptionSpec,
        reference: Reference,
        *,
        of: str,
        rehearse: bool,
    ) -> Snapshot | Manageable:
        """As `manage`; raises `Invalid` if the object is no snapshot of the volume ``of`` (empty: any)."""
        _check(spec)
        driver = abilities.manages_snapshots(self._backends.use(backend))
        listing = driver.get_manageable_snapshots
        with self._claimed(f"snapshot-name:{spec.name}", listing, reference):
            self._refuse_foreign(driver, reference, of)
            if rehearse:
                return _willing(_probed(listing, reference), reference, spec.owner)
            return driver.manage_existing_snapshot(spec, reference)

    def unmanage(self, volume_id: str, name: str, *, rehearse: bool) -> Location:
        """Where the volume is, now that it is none of ours; raises what `ManageDriver.unmanage` raises."""
        with self._locks.hold(volume_id):
            driver = abilities.manages(self._backends.of(volume_id))
            where = driver.unmanage(VolumeId(volume_id), name or None, rehearse=rehearse)
            return Location(driver.storage_name, _there(where, volume_id) if rehearse else where)

    def unmanage_snapshot(self, snapshot_id: str, name: str, *, rehearse: bool) -> Location:
        """As `unmanage`."""
        with self._locks.hold(snapshot_id):
            driver = abilities.manages_snapshots(self._backends.of(snapshot_id))
            storage = _storage(self._backends.of(snapshot_id))
            where = driver.unmanage_snapshot(
                SnapshotId(snapshot_id), name or None, rehearse=rehearse
            )
            return Location(storage, _there(where, snapshot_id) if rehearse else where)

    def take_back(self, of: BroughtIn, name: str, *, rehearse: bool) -> Location:
        """Unmanage the volume that was brought in, if there is one, as `unmanage` does.

        Raises `Busy` while it is still being brought in: a caller that died may have left that going on, and
        nothing of it is seen until it is done. Raises `Exists` if the volume of that name is another one, and
        `Unavailable` if the backend cannot tell, also because its storage is not here.
        """
        with self._locks.hold(f"name:{of.name}"):
            driver = self._backends.use(self.backend(of.backend, ""))
            found = _brought_in(driver.find_volume(of.name), of, rehearse=rehearse)
            return self.unmanage(found, name, rehearse=rehearse) if found else Location("", None)

    def take_back_snapshot(self, of: BroughtIn, name: str, *, rehearse: bool) -> Location:
        """As `take_back`."""
        with self._locks.hold(f"snapshot-name:{of.name}"):
            driver = abilities.snapshots(self._backends.use(self.backend(of.backend, "")))
            found = _brought_in(driver.find_snapshot(of.name), of, rehearse=rehearse)
            if not found:
                return Location("", None)
            return self.unmanage_snapshot(found, name, rehearse=rehearse)

    @contextmanager
    def _claimed(self, name: str, listing: Listing, reference: Reference) -> Iterator[None]:
        """Hold the name, and the object under a key that is the same however it is referred to."""
        found = _entry(listing, reference)
        meant = found.reference if found else reference
        with self._locks.hold(name, f"existing:{meant.uuid or meant.name}"):
            yield

    def _refuse_elsewhere(self, name: str, backend: Backend) -> None:
        for other in self._backends.usable():
            found = other.find_volume(name)
            if found and other is not backend.driver:
                raise Exists(f"volume {name!r} exists as {found.id} on backend {other.name!r}")

    def _refuse_foreign(
        self, driver: ManageSnapshotsDriver, reference: Reference, volume_id: str
    ) -> None:
        found = _entry(driver.get_manageable_snapshots, reference)
        if not volume_id or found is None or found.origin is None:
            return
        origin = _entry_of(
            abilities.manages(self._backends.of(volume_id)).get_manageable_volumes, volume_id
        )
        if origin.reference.uuid != found.origin.uuid:
            raise Invalid(
                f"{reference} is a snapshot of {found.origin}, and volume {volume_id} is"
                f" {origin.reference}"
            )


def _brought_in(found: Volume | Snapshot | None, of: BroughtIn, *, rehearse: bool) -> str:
    """The id of what is meant, if that was found; empty if nothing was."""
    if found is None:
        if rehearse:
            raise NotFound(f"nothing was brought in as {of.name}")
        return ""
    if found.adopted is None or found.adopted.owner != of.owner:
        raise Exists(f"{found.id} has that name, and was not brought in for {of.owner}")
    return found.id


def _storage(driver: VolumeDriver) -> str:
    return driver.storage_name if isinstance(driver, ManageDriver) else ""


def _check(spec: AdoptionSpec | SnapshotAdoptionSpec) -> None:
    for what, value in (("name", spec.name), ("owner", spec.owner)):
        if not value:
            raise Invalid(f"{what} is missing")
    modes: Sequence[str] = spec.properties.access_modes if isinstance(spec, AdoptionSpec) else ()
    if unknown := set(modes) - set(MODES):
        raise Invalid(f"access mode {min(unknown)} is not possible; allowed: {', '.join(MODES)}")


def _entry(listing: Listing, reference: Reference) -> Manageable | None:
    entries = listing(Query()).entries
    return next((each for each in entries if _means(reference, each.reference)), None)


def _means(reference: Reference, found: Reference) -> bool:
    if not (reference.name or reference.uuid):
        return False
    is_named = reference.name in ("", found.name)
    return is_named and _plain(reference.uuid) in ("", _plain(found.uuid))


def _plain(uuid: str) -> str:
    return uuid.replace("-", "")


def _entry_of(listing: Listing, object_id: str) -> Manageable:
    entries = listing(Query()).entries
    if (found := next((each for each in entries if each.id == object_id), None)) is None:
        raise NotFound(f"there is no {object_id}")
    return found


def _willing_volume(listing: Listing, reference: Reference, spec: AdoptionSpec) -> Manageable:
    """As `_willing`. What a block volume holds is nobody's business, so it is not looked into."""
    if spec.properties.mode is VolumeMode.BLOCK:
        return _willing(_entry(listing, reference), reference, spec.owner)
    found = _willing(_probed(listing, reference), reference, spec.owner)
    if found.found and spec.properties.fs_type not in ("", found.found.type):
        raise Invalid(
            f"{found.reference} holds {found.found.type}, not {spec.properties.fs_type}: ask for"
            f" {found.found.type}, in a class that says so"
        )
    return found


def _willing(found: Manageable | None, reference: Reference, owner: str) -> Manageable:
    """The object; raises what would hinder it."""
    if found is None:
        raise NotFound(f"nothing in the storage is called {reference}")
    if found.obstacle is None:
        return found
    text = f"{found.reference} cannot be brought in: {found.obstacle.words}"
    if found.obstacle.hindrance is not Hindrance.MANAGED:
        raise Unmanageable(text, found.obstacle)
    if found.owner != owner:
        raise AlreadyManaged(text)
    return found


def _probed(listing: Listing, reference: Reference) -> Manageable | None:
    """As `_entry`, but it alone is asked for, so that nothing else is activated to look into it."""
    entries = listing(Query()).entries
    for place, each in enumerate(entries):
        if _means(reference, each.reference):
            before = listing(Query(limit=place)).next if place else ""
            return listing(Query(limit=1, token=before, probe=True)).entries[0]
    return None


def _there(where: Reference | None, object_id: str) -> Reference:
    # Twice is fine, but whoever asks before he does it asks about something.
    if where is None:
        raise NotFound(f"there is no {object_id}")
    return where
