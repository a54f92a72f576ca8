"""Taking a thick volume back to one of its COW snapshots: LVM merges it into its origin, and consumes it.

So what the snapshot was is first noted on the origin, its area's extents too. After the merge these are
wiped (they hold blocks of the origin) and the snapshot is cut anew, which shows the same bytes. The note is
taken off last. Whatever point a process died at, `Merge.finish` goes on.

The merge and the wiping take long, and nobody else has to wait for them. The kernel merges as soon as the
origin is activated; LVM is told of the end, which frees the area, only while the group is held, and the area
is taken in the same breath. While the note stands, nobody grows, snapshots, copies, deletes or activates
the volume or a snapshot of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from drivers.errors import Exhausted, InUse, Unavailable
from drivers.exec import unhurried
from drivers.locks import Locks
from drivers.lvm import commands, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.layouts import Shape
from drivers.lvm.options import Layout, Wipe
from drivers.lvm.report import Group, Lv
from drivers.model import Connection, Content, Volume

# The snapshot's own tags are kept on the origin under this prefix while the merge eats the snapshot.
NOTE = "hearth.note="
# Sectors in use of the area, of all, and of these the ones for tables; words if it failed.
MERGES = re.compile(r"(\d+)/\d+ (\d+)")
LOOK = 1.0
"""Seconds from one look at the kernel's merge to the next, at most: it tells nobody of its end."""


class Merge:
    """Merges in one group, one at a time for each volume."""

    def __init__(self, group: VolumeGroup) -> None:
        self._group = group
        self._locks = Locks()

    @contextmanager
    def alone(self, object_id: str) -> Iterator[None]:
        """Be the only one in this process who reverts the volume; raises `Busy` if somebody else does."""
        with self._locks.hold(object_id):
            yield

    def note(self, lv: Lv, snapshot: Lv) -> None:
        """Write on the origin, in one transaction, all that the merge will destroy.

        Called while changing the group. From then on `finish` must be called until it succeeds.
        """
        kept = [f"{NOTE}{tag}" for tag in snapshot.tags]
        spots = self._group.read().fixed(snapshot.ranges)
        area = [f"{names.AREA}{number}={spot}" for number, spot in enumerate(spots)]
        # What lies beyond a smaller snapshot stays as it was.
        content = reverted(lv, snapshot)
        add, outdated = records.with_fields(lv, content=content, zeroed="")
        mark = f"{names.REVERTING}{snapshot.object_id}"
        self._group.retag(lv, add={mark, *kept, *area, *add}, remove=outdated)

    def finish(self, lv: Lv) -> Volume:
        """From the note to the end; every step is skipped if an earlier process did it.

        Called by who is `alone`, and not while changing the group. Goes on when the caller's deadline is
        over. Raises `Busy` when the driver is closed, `InUse` while the volume is open.
        """
        with unhurried():
            if (noted := self._begin(lv)) is not None:
                self._wait(noted)
                if (area := self._collect(noted)) is not None:
                    self._wipe(area)
                self._complete(noted)
            return records.volume(self._group.read(), self._group.again(lv))

    def _begin(self, lv: Lv) -> Lv | None:
        """The volume with its note, or None without one. Lets the kernel merge, unless it does or has.

        LVM merges an active origin before it returns. An inactive one it merges "on next activation",
        and a merge that was interrupted goes on with that, too.
        """
        with self._group.changing() as now:
            lv = self._group.again(lv)
            if not lv.tag(names.REVERTING):
                return None
            if self._group.is_open(lv):
                raise InUse(
                    f"{now.name}/{lv.name} is open while its revert is unfinished: close it"
                )
            snapshot = _unmerged(now, lv)
            if snapshot is not None and not MERGES.fullmatch(self._told(lv)):
                self._group.deactivate(lv)
                if not snapshot.merging:
                    self._group.run(commands.merge(now.name, snapshot.name))
                self._group.activate(lv)
            return lv

    def _wait(self, lv: Lv) -> None:
        """Return when the kernel has copied the last block."""
        pause = LOOK / 16
        while self._left(lv):
            self._group.pause(pause)
            pause = min(2 * pause, LOOK)

    def _left(self, lv: Lv) -> int:
        """The sectors of the area that are still to be merged; 0 while the kernel does not merge."""
        if not (told := self._told(lv)):
            return 0
        if (numbers := MERGES.fullmatch(told)) is None:
            raise Unavailable(
                f"the kernel cannot merge into {self._group.name}/{lv.name} and says {told!r}:"
                " look at the disks and at dmesg"
            )
        return int(numbers[1]) - int(numbers[2])

    def _told(self, lv: Lv) -> str:
        """What the kernel says of its merge; empty while there is none."""
        rows = self._group.status(lv)
        return next((row.status for row in rows if row.type == "snapshot-merge"), "")

    def _collect(self, lv: Lv) -> Connection | None:
        """Tell LVM of the end, and take the area before anybody else gets its extents.

        Gives the device of what is to be wiped, if anything is.
        """
        with self._group.changing() as now:
            if _unmerged(now, lv) is not None:
                self._group.run(commands.finish_merge(now.name, self._group.again(lv).name))
            after, lv = self._group.read(), self._group.again(lv)
            if _unmerged(after, lv) is not None:
                raise Unavailable(f"the merge into {lv.name} is not finished; ask again")
            if not _area(lv) or self._group.options.wipe is Wipe.NONE:
                return None
            if _holder(lv) not in after.lvs:
                self._take(after, lv)
            return self._group.connection(self._group.read().lvs[_holder(lv)])

    def _take(self, group: Group, lv: Lv) -> None:
        spots = group.located(tag.rpartition("=")[2] for tag in sorted(_area(lv)))
        argv = commands.create_thick(
            group.name,
            _holder(lv),
            extents=sum(_count(spot) for spot in spots),
            shape=Shape(Layout.LINEAR).arguments,
            tags=[f"{names.TAIL}{lv.object_id}"],
            on=spots,
        )
        try:
            self._group.run(argv)
        except Exhausted as error:
            raise Unavailable(
                f"the extents {' '.join(spots)} of {group.name} held blocks of {lv.name} and were taken"
                f" by somebody else before they were wiped: remove the tags {names.AREA}* of {lv.name}"
                f" with lvchange --deltag once that is dealt with ({error})"
            ) from error

    def _wipe(self, area: Connection) -> None:
        self._group.step(f"wipe the area {area.path}")
        with self._group.blocks.opened(area, write=True) as descriptor:
            self._group.blocks.zero(descriptor, 0, area.size, self._group.tick)

    def _complete(self, lv: Lv) -> None:
        with self._group.changing() as now:
            lv = self._group.again(lv)
            if area := _area(lv):
                self._group.retag(lv, remove=area)
            if _holder(lv) in now.lvs:
                self._group.run(commands.remove(now.name, _holder(lv)))
            self._cut_again(self._group.again(lv))
            done = self._group.again(lv)
            self._group.deactivate(done)
            notes = {tag for tag in done.tags if tag.startswith((NOTE, names.REVERTING))}
            self._group.retag(done, remove=notes)

    def _cut_again(self, lv: Lv) -> None:
        """The consumed snapshot once more, with its id, time and name."""
        now = self._group.read()
        snapshot = _noted(now, lv)
        kept = {tag[len(NOTE) :] for tag in lv.tags if tag.startswith(NOTE)}
        if snapshot is None:
            digest = next(tag[len(names.NAME) :] for tag in kept if tag.startswith(names.NAME))
            tags = sorted(kept | {names.CREATING})
            self._group.run(commands.snapshot_cow(now.name, lv.name, f"snap-{digest}", tags=tags))
            snapshot = _noted(self._group.read(), lv)
        if snapshot is None:
            raise Unavailable(f"LVM reported success, but {lv.name} has no new snapshot")
        if names.CREATING in snapshot.tags:
            self._group.retag(snapshot, remove={names.CREATING})


def _noted(group: Group, lv: Lv) -> Lv | None:
    """The snapshot that the note is about, as long as it is in the group."""
    tag = f"{names.ID}{lv.tag(names.REVERTING)}"
    return next((each for each in group.lvs.values() if tag in each.tags), None)


def _unmerged(group: Group, lv: Lv) -> Lv | None:
    """As `_noted`, before it is merged."""
    snapshot = _noted(group, lv)
    return None if snapshot is None or names.CREATING in snapshot.tags else snapshot


def _holder(lv: Lv) -> str:
    """The name of the temporary volume that has the area until it is wiped."""
    return names.temporary("area", lv.object_id)


def _area(lv: Lv) -> Sequence[str]:
    return [tag for tag in lv.tags if tag.startswith(names.AREA)]


def _count(spot: str) -> int:
    first, _, last = spot.rpartition(":")[2].partition("-")
    return int(last) - int(first) + 1


def reverted(lv: Lv, snapshot: Lv) -> str:
    """What a volume holds once it is what ``snapshot`` shows.

    A snapshot that somebody else made does not make a volume of ours somebody else's: it may be deleted as
    before. Nor does it say that anything is blank. A copy keeps its source's UUID in any case.
    """
    content: str = snapshot.fields["content"]
    if content != Content.ADOPTED.value or "original" in lv.fields:
        return content
    is_copy = lv.fields.get("content") == Content.INHERITED.value
    return Content.INHERITED.value if is_copy else Content.FORMATTED.value
