"""What carries our marks, is no finished volume or snapshot, and nobody is working on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from drivers.backends import Backend, Backends
from drivers.errors import Absent, Invalid
from drivers.interface import ManageDriver, ManageSnapshotsDriver, VolumeDriver
from drivers.locks import Locks
from drivers.manageable import Hindrance, Manageable, Page, Query, Reference
from drivers.model import Volume

PARTIAL = "partial"
"""The reason of a volume that holds part of an image."""


@dataclass(frozen=True, slots=True)
class Orphan:
    """Something left over: what it is called, where the storage has a name for it, and why it is one.

    ``reason`` is a word for programs, ``message`` a sentence for people.
    """

    backend: str
    size: int
    reason: str
    message: str
    id: str
    reference: Reference | None = None


class Orphans:
    """Looks for them on the backends of one node."""

    def __init__(self, backends: Backends, locks: Locks) -> None:
        """``locks`` are those of everybody who changes volumes on this node."""
        self._backends = backends
        self._locks = locks

    def all(self, backend: str = "") -> Iterator[Orphan]:
        """Those of the backend of that name, or of every one that is here.

        Raises `Unavailable` for one that cannot tell, and `Invalid` if there is none of that name.
        """
        if backend and backend not in self._backends.by_name:
            known = ", ".join(self._backends.by_name)
            raise Invalid(f"there is no backend {backend!r}; those of this node are: {known}")
        for each in self._backends:
            if backend in ("", each.name):
                with suppress(Absent):
                    yield from self._of(each, self._backends.use(each))

    def _of(self, backend: Backend, driver: VolumeDriver) -> Iterator[Orphan]:
        # Before the volumes: one that is begun meanwhile is held by whoever fills it.
        entries = [each for listing in _listings(driver) for each in listing(Query()).entries]
        for each in entries:
            if each.obstacle and each.obstacle.hindrance is Hindrance.UNFINISHED:
                yield _unfinished(backend.name, each)
        named = {each.id: each.reference for each in entries if each.id}
        for volume in driver.list_volumes():
            if volume.is_partial and not self._locks.is_held(volume.id):
                yield _partial(backend.name, volume, named.get(volume.id))


def _listings(driver: VolumeDriver) -> Iterator[Callable[[Query], Page]]:
    if isinstance(driver, ManageDriver):
        yield driver.get_manageable_volumes
    if isinstance(driver, ManageSnapshotsDriver):
        yield driver.get_manageable_snapshots


def _unfinished(backend: str, found: Manageable) -> Orphan:
    words = found.obstacle.words if found.obstacle else ""
    reason = Hindrance.UNFINISHED.value
    return Orphan(backend, found.size, reason, words, found.id, found.reference)


def _partial(backend: str, found: Volume, reference: Reference | None) -> Orphan:
    words = (
        f"the copy of the image with SHA-256 {found.properties.image} into it broke off: copy it again,"
        " or delete the volume"
    )
    return Orphan(backend, found.size, PARTIAL, words, found.id, reference)
