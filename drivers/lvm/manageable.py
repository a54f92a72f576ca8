"""What is in the group, for those who want to bring some of it in: finding, listing, looking closely.

To see what an inactive volume holds, its device must appear. It is activated as ``lvchange --activate
y`` does, opened for reading alone, and deactivated; a process that dies in between leaves an active
volume and nothing else. Not read-only (``read_only_volume_list``): tried with 2.03.16, LVM then tries to
make the whole thin pool below a thin volume read-only, fails, and leaves the pool's parts with tables
that are not live; and what a dead process left could not be mounted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from drivers.errors import InUse, Invalid, NotFound, StorageError
from drivers.exec import Run
from drivers.lvm import commands, report
from drivers.lvm.connections import Connections
from drivers.lvm.group import VolumeGroup
from drivers.lvm.obstacles import Obstacles, is_snapshot, manager
from drivers.lvm.report import Details, Group, Lv
from drivers.lvm.works import Works
from drivers.manageable import Hindrance, Manageable, Obstacle, Page, Query, Reference
from drivers.paging import page
from drivers.signatures import Look

Judge = Callable[[Group, Lv], Obstacle | None]


class Manageables:
    """The logical volumes of one group as somebody finds them who may want them."""

    def __init__(
        self, group: VolumeGroup, connections: Connections, works: Works, run: Run
    ) -> None:
        self._group = group
        self._connections = connections
        self._run = run
        self.obstacles = Obstacles(group, works)

    def find(self, group: Group, reference: Reference) -> Lv:
        """The LV that is meant; raises `Invalid` for a reference to nothing, and `NotFound`."""
        if not (reference.name or reference.uuid):
            raise Invalid("a reference needs the name or the UUID of a logical volume")
        named = [lv for lv in group.lvs.values() if reference.name in ("", lv.name)]
        for lv in named:
            if reference.uuid.replace("-", "") in ("", lv.uuid.replace("-", "")):
                return lv
        if reference.name and named:
            raise NotFound(
                f"logical volume {group.name}/{reference.name} has the UUID {named[0].uuid}, not"
                f" {reference.uuid}: it is another one than was meant"
            )
        raise NotFound(f"volume group {group.name} has no logical volume {reference}")

    def volumes(self, query: Query) -> Page:
        """See `ManageDriver.get_manageable_volumes`."""
        return self._page(query, self.obstacles.of_volume, snapshots=False)

    def snapshots(self, query: Query) -> Page:
        """See `ManageSnapshotsDriver.get_manageable_snapshots`."""
        return self._page(query, self.obstacles.of_snapshot, snapshots=True)

    def details(self, lv: Lv) -> Details:
        """What LVM says of this one alone."""
        return report.details(self._group.run(commands.details(self._group.name, lv.name)).stdout)

    def look(self, group: Group, lv: Lv) -> Look:
        """What it holds; an inactive one is activated for that. Called while changing the group."""
        with self._connections.reading(group, lv) as connection:
            blocks = self._group.blocks
            with blocks.opened(connection) as descriptor:
                return blocks.look(descriptor, connection.size, self._run)

    def _page(self, query: Query, judge: Judge, *, snapshots: bool) -> Page:
        now = self._group.read()
        shown = page(
            (
                self._entry(now, lv, judge)
                for lv in now.lvs.values()
                if is_snapshot(lv) is snapshots
            ),
            query,
        )
        if not query.probe:
            return shown
        entries = tuple(self._probed(entry) if entry.safe else entry for entry in shown.entries)
        return replace(shown, entries=entries)

    def _entry(self, group: Group, lv: Lv, judge: Judge) -> Manageable:
        origin = group.lvs.get(lv.origin) if is_snapshot(lv) else None
        return Manageable(
            reference=reference_of(lv),
            size=lv.shown,
            obstacle=judge(group, lv),
            manager=manager(lv),
            id=f"{group.id}.{lv.object_id}" if lv.object_id else "",
            owner=lv.fields.get("owner", ""),
            origin=reference_of(origin) if origin else None,
        )

    def _probed(self, entry: Manageable) -> Manageable:
        """The entry with what the object holds. One that went away meanwhile stays as it was seen."""
        with self._group.changing() as now:
            try:
                lv = self.find(now, entry.reference)
                if self._group.is_open(lv):
                    raise InUse("it was opened a moment ago: ask again")
                found, obstacle = self.look(now, lv)
                if is_snapshot(lv):
                    return replace(entry, found=found)
                return replace(entry, found=found, obstacle=self.unwritable(lv) or obstacle)
            except StorageError as error:
                words = f"what it holds cannot be told: {error}"
                return replace(entry, obstacle=Obstacle(Hindrance.UNREADABLE, words))

    def unwritable(self, lv: Lv) -> Obstacle | None:
        """What hinders the use of a volume that nobody may write to."""
        if not self.details(lv).read_only:
            return None
        return Obstacle(
            Hindrance.READ_ONLY,
            f"it is read-only: lvchange --permission rw {self._group.name}/{lv.name}",
        )


def reference_of(lv: Lv) -> Reference:
    """How an LV is called."""
    return Reference(lv.name, lv.uuid)
