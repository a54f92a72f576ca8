"""What the checks of managing need beside the bench: its words for the driver, and a way to be rid of all.

No driver deletes what it took over without leave to. So what a check leaves is let go, taken over again
with that leave, and then deleted like the rest: everything on the backend belongs to the kit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

from drivers.interface import (
    ManageDriver,
    ManageSnapshotsDriver,
    SnapshotDriver,
    VolumeDriver,
)
from drivers.manageable import AdoptionSpec, Manageable, Query, SnapshotAdoptionSpec
from drivers.model import Properties, Snapshot, Volume, VolumeMode

OWNER = "8f1d7a4e-0d52-4e0c-9d0c-2a5a3f6e9b11"
Done = Callable[..., object]
"""Repeats a call that is told to ask again; see `Bench.done`."""


class HasDriver(Protocol):
    """The bench, as far as this module knows it."""

    @property
    def driver(self) -> VolumeDriver: ...


def manages(bench: HasDriver) -> ManageDriver:
    """The bench's driver, by its ability to take volumes over."""
    return cast(ManageDriver, bench.driver)


def cuts(bench: HasDriver) -> ManageSnapshotsDriver:
    """The bench's driver, by its ability to take snapshots over."""
    return cast(ManageSnapshotsDriver, bench.driver)


def adoption(name: str = "adopted", *, allow_delete: bool = False) -> AdoptionSpec:
    """A request for a block volume, which may hold anything."""
    return AdoptionSpec(name, OWNER, Properties(mode=VolumeMode.BLOCK), allow_delete)


def cut_adoption(name: str = "adopted", *, allow_delete: bool = False) -> SnapshotAdoptionSpec:
    """A request for a snapshot."""
    return SnapshotAdoptionSpec(name, OWNER, {"namespace": "shop"}, allow_delete)


def clear_snapshots(driver: SnapshotDriver, done: Done) -> None:
    """Delete all snapshots, or let go of them."""
    for snapshot in driver.list_snapshots():
        if isinstance(driver, ManageSnapshotsDriver) and _is_kept(snapshot):
            done(driver.unmanage_snapshot, snapshot.id, None)
        else:
            done(driver.delete_snapshot, snapshot.id)


def take_over(driver: VolumeDriver, done: Done) -> None:
    """Give the driver leave to delete all that is there. There are no snapshots of its own."""
    if not isinstance(driver, ManageDriver):
        return
    for volume in driver.list_volumes():
        if _is_kept(volume):
            done(driver.unmanage, volume.id, None)
    for each in driver.get_manageable_volumes(Query()).entries:
        if each.safe:
            done(driver.manage_existing, adoption(_name(each), allow_delete=True), each.reference)
    if isinstance(driver, ManageSnapshotsDriver):
        for each in driver.get_manageable_snapshots(Query()).entries:
            if each.safe:
                spec = cut_adoption(_name(each), allow_delete=True)
                done(driver.manage_existing_snapshot, spec, each.reference)


def _is_kept(found: Volume | Snapshot) -> bool:
    return found.adopted is not None and not found.adopted.allow_delete


def _name(entry: Manageable) -> str:
    return f"cleared-{entry.reference.name}"[:128]
