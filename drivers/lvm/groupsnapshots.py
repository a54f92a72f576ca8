"""Group snapshots: thin snapshots of several volumes of one pool, cut at one moment.

LVM cannot do it, the kernel can: a thin pool takes the snapshots while all their volumes are suspended. So
LVM makes a placeholder for each member, an empty thin volume that gives it a number in the pool; the pool
forgets the empty volumes and snapshots the volumes under these numbers (`drivers.lvm.cut`). LVM's metadata
is right before and after it: it never knows what is in a thin volume.

Members carry the mark ``creating`` and the id of the group snapshot. As long as one of them is marked, none
is seen by anybody: the last mark to go makes all of them appear, and the first one to come makes all
vanish. Whatever is found half made or half removed is removed, all of it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from drivers.errors import (
    Busy,
    Exhausted,
    InUse,
    Invalid,
    NotFound,
    Precondition,
    Unavailable,
)
from drivers.groups import GroupSnapshot, GroupSnapshotSpec
from drivers.lvm import commands, devicemapper, devices, names, records
from drivers.lvm.capacity import Capacity
from drivers.lvm.group import VolumeGroup
from drivers.lvm.moment import Plan, Taken, Unsettled
from drivers.lvm.report import Group, Lv
from drivers.lvm.unfinished import Unfinished
from drivers.lvm.volumes import Volumes
from drivers.model import GroupSnapshotId, Source, SourceKind

log = logging.getLogger(__name__)


class GroupSnapshots:
    """The group snapshots of one volume group."""

    def __init__(self, group: VolumeGroup, volumes: Volumes, capacity: Capacity) -> None:
        self._group = group
        self._volumes = volumes
        self._capacity = capacity
        self._unfinished = Unfinished(group)

    def recover(self) -> None:
        """Remove what a dead process left of its group snapshots; what cannot be, is tried again."""
        self._unfinished.recover()

    def close(self) -> None:
        """Try nothing again."""
        self._unfinished.close()

    # Asking

    def get(self, identifier: str) -> GroupSnapshot:
        """See `GroupDriver.get_group_snapshot`."""
        now = self._group.read()
        cut_id = self._group.object_id(identifier)
        if (found := _members(now, cut_id)) and cut_id not in records.unfinished_cuts(now):
            return _record(now, cut_id, found)
        raise NotFound(f"group snapshot {identifier} does not exist in volume group {now.name}")

    def find(self, now: Group, name: str) -> GroupSnapshot | None:
        """See `GroupDriver.find_group_snapshot`."""
        wanted = names.digest(name)
        snapshots = records.catalogue(now).snapshots.values()
        cuts = (lv.tag(names.CUT) for lv in snapshots if lv.fields.get("group") == wanted)
        cut_id = next(cuts, "")
        return _record(now, cut_id, _members(now, cut_id)) if cut_id else None

    def all(self, now: Group) -> Sequence[GroupSnapshot]:
        """See `GroupDriver.list_group_snapshots`."""
        found = {lv.tag(names.CUT) for lv in records.catalogue(now).snapshots.values()}
        return [_record(now, each, _members(now, each)) for each in sorted(found - {""})]

    # Changing

    def create(self, spec: GroupSnapshotSpec) -> GroupSnapshot:
        """See `GroupDriver.create_group_snapshot`."""
        if len(set(spec.volume_ids)) != len(spec.volume_ids) or not spec.volume_ids:
            raise Invalid("a group snapshot needs volumes, each of them once")
        if (found := self.find(self._group.read(), spec.name)) is not None:
            return found
        self._sync(spec)
        with self._group.changing() as now:
            if (found := self.find(now, spec.name)) is not None:
                return found
            self._unfinished.remove(_called(now, spec.name))
            origins = self.together(self._group.read(), spec.volume_ids)
            with ExitStack() as undoing:
                # Whatever it is that breaks off: also what has no name in `drivers.errors`.
                undoing.callback(self._unfinished.recover)
                made = self._cut(origins, spec)
                undoing.pop_all()
            return made

    def delete(self, identifier: str) -> None:
        """See `GroupDriver.delete_group_snapshot`."""
        if not self._group.owns(identifier):
            return
        with self._group.changing() as now:
            cut_id = self._group.object_id(identifier)
            if not (members := _members(now, cut_id)):
                return
            for lv in members:
                if self._group.is_open(lv):
                    raise InUse(f"snapshot {now.name}/{lv.name} of {identifier} is being read")
            for lv in members:
                source = Source(SourceKind.SNAPSHOT, f"{now.id}.{lv.object_id}")
                self._volumes.abandon_copies(now, source)
            if cut_id not in records.unfinished_cuts(now):
                self._unfinished.doom(now, members)
            self._unfinished.remove({cut_id})

    def together(self, now: Group, volume_ids: Sequence[str]) -> Sequence[Lv]:
        """The LVs of volumes that can be cut together.

        Raises `NotFound`, `Busy`, and `Precondition` with those that cannot and why.
        """
        lvs = {each: self._volumes.settled(now, each) for each in volume_ids}
        if thick := [
            f"{each} ({now.name}/{lv.name})" for each, lv in lvs.items() if not lv.is_thin
        ]:
            raise Precondition(
                f"volumes {', '.join(thick)} are thick, and only thin volumes of one pool can be"
                " frozen at one moment: use a StorageClass with layout thin for all members"
            )
        pools = {lv.pool for lv in lvs.values()}
        if len(pools) > 1:
            told = ", ".join(f"{each} in {lv.pool}" for each, lv in lvs.items())
            raise Precondition(
                f"only volumes of one thin pool can be frozen at one moment, and these are in"
                f" {len(pools)}: {told}"
            )
        return list(lvs.values())

    def _cut(self, origins: Sequence[Lv], spec: GroupSnapshotSpec) -> GroupSnapshot:
        cut_id = names.object_id()
        with self._unfinished.settled():
            self._admit(origins, spec)
            self._reserve(origins, spec, cut_id)
            now = self._group.read()
            taken = self._take(now, origins, cut_id)
        every = [lv.name for lv in _members(now, cut_id)]
        at = {records.cut_at(taken.at)}
        self._group.run(commands.retag(now.name, *every, add=at, remove={names.CREATING}))
        held = taken.pause * 1e3
        log.info("cut %d volumes of %s, writers held for %.1f ms", len(every), now.name, held)
        now = self._group.read()
        return replace(_record(now, cut_id, _members(now, cut_id)), pause=taken.pause)

    def _take(self, now: Group, origins: Sequence[Lv], cut_id: str) -> Taken:
        plan = self._plan(now, origins, _members(now, cut_id))
        self._group.step(f"cut {cut_id}")
        is_settled = False
        try:
            taken = self._group.cutter(now.name, plan, self._watch(now, origins, plan))
            is_settled = True
        except Busy as error:
            is_settled = not isinstance(error, Unsettled)
            raise
        finally:
            if not is_settled:  # an interrupt comes here, too
                self._unfinished.doubt(plan.active)
        return taken

    def _admit(self, origins: Sequence[Lv], spec: GroupSnapshotSpec) -> None:
        try:
            self._capacity.admit(self._group.read().lvs[origins[0].pool])
        except Exhausted as error:
            volumes = ", ".join(spec.volume_ids)
            raise Precondition(f"no snapshot can be cut of volumes {volumes}: {error}") from error

    def _reserve(self, origins: Sequence[Lv], spec: GroupSnapshotSpec, cut_id: str) -> None:
        """Make a placeholder for each member."""
        now = self._group.read()
        for lv in origins:
            volume = records.volume(now, lv)
            tags = records.member_tags(cut_id, spec, volume)
            name = names.member(spec.name, volume.id)
            self._group.run(
                commands.create_thin(
                    now.name, name, pool=lv.pool, size=lv.size, tags=tags, skip=True
                )
            )

    def _plan(self, now: Group, origins: Sequence[Lv], placeholders: Sequence[Lv]) -> Plan:
        """What is to be cut into which placeholder; raises `Unavailable` if it cannot be told."""
        targets = {lv.fields["volume"].partition(".")[2]: lv.thin_id for lv in placeholders}
        pairs = [(lv.thin_id, targets.get(lv.object_id)) for lv in origins]
        known = tuple((one, other) for one, other in pairs if one is not None and other is not None)
        if len(known) != len(origins) or len(placeholders) != len(origins):
            raise Unavailable("LVM reported success, but not every placeholder is there")
        active = self._active(origins)
        if held := [device.name for device in active if device.suspended]:
            raise Unavailable(f"devices {', '.join(held)} are suspended; look at dmsetup info")
        pool = f"{now.dm_uuid(now.lvs[origins[0].pool])}-tpool"
        uses = [devices.use(device) for device in active]
        return Plan(
            pool=pool,
            snapshots=known,
            active=tuple(device.uuid for device in active),
            mounted=tuple(use.mounted for use in uses if use.mounted),
            raw=tuple(use.raw for use in uses if use.raw),
            # A btrfs may lie on several members, and is frozen once.
            frozen=tuple(dict.fromkeys(use.frozen for use in uses if use.frozen)),
        )

    def _watch(self, now: Group, origins: Sequence[Lv], plan: Plan) -> Callable[[], bool]:
        """Activating a volume changes no metadata, and one that is not suspended must not be cut."""

        def is_current() -> bool:
            active = tuple(device.uuid for device in self._active(origins))
            return self._group.inventory.shows(now) and active == plan.active

        return is_current

    def _active(self, origins: Sequence[Lv]) -> Sequence[devicemapper.Device]:
        return [device for lv in origins if (device := self._group.device(lv)) is not None]

    def _sync(self, spec: GroupSnapshotSpec) -> None:
        """Store what is dirty, while nobody is held up by that: it may take long."""
        now = self._group.read()
        origins = self.together(now, spec.volume_ids)
        uses = [devices.use(device) for device in self._active(origins)]
        shown = [use.frozen[0] if use.frozen else use.mounted for use in uses]
        if mounted := [os.fspath(path) for path in shown if path]:
            self._group.run_beside(["sync", "--file-system", "--", *mounted])
        if raw := [os.fspath(use.raw) for use in uses if use.raw]:
            self._group.run_beside(["sync", "--", *raw])


def _members(group: Group, cut_id: str) -> list[Lv]:
    """All of a group snapshot, finished or not, in the order of their ids."""
    found = (lv for lv in group.lvs.values() if lv.tag(names.CUT) == cut_id)
    return sorted(found, key=lambda lv: lv.object_id)


def _called(group: Group, name: str) -> frozenset[str]:
    """The object ids of what is left of group snapshots of that name: a new one needs their names."""
    wanted = names.digest(name)
    left = (lv for lv in group.lvs.values() if lv.fields.get("group") == wanted)
    return frozenset(lv.tag(names.CUT) for lv in left)


def _record(group: Group, cut_id: str, members: Sequence[Lv]) -> GroupSnapshot:
    snapshots = tuple(records.snapshot(group, lv, usable=True) for lv in members)
    return GroupSnapshot(
        id=GroupSnapshotId(f"{group.id}.{cut_id}"),
        snapshots=snapshots,
        created=snapshots[0].created,
        usable=len(snapshots) == int(members[0].fields.get("members", "0")),
    )
