"""Why a logical volume cannot be brought in, as far as LVM's metadata and the kernel tell.

The order matters: what a volume *is* comes before the state it is in, so that a person is not asked to
unmount something that could not be brought in even then. LVM's roles were read off ``lvs -a`` 2.03.16.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from drivers.errors import Invalid
from drivers.lvm import devices, layouts, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.report import Group, Lv
from drivers.lvm.works import Works, is_unfinished
from drivers.manageable import Hindrance, Obstacle

OURS = "hearth"
OTHERS: Mapping[str, str] = MappingProxyType(
    {"lv.metal-stack.io/csi-lvm-driver": "csi-driver-lvm", "pve-vm-": "Proxmox VE"}
)
"""How a tag begins, and which program writes it. Drivers that only give names prove nothing by them."""
POOLS = frozenset({"thin-pool", "cache-pool", "vdo-pool"})


class Obstacles:
    """What speaks against bringing the volumes of one group in."""

    def __init__(self, group: VolumeGroup, works: Works) -> None:
        self._group = group
        self._works = works

    def of_volume(self, group: Group, lv: Lv) -> Obstacle | None:
        """What hinders ``lv`` from becoming a volume; None if nothing does."""
        if (found := self._managed(group, lv) or _inner(group, lv)) is not None:
            return found
        if is_snapshot(lv):
            return Obstacle(
                Hindrance.SNAPSHOT,
                f"it is a snapshot of {group.name}/{lv.origin}: bring it in as a snapshot",
            )
        return _claimed(group, lv) or self._state(group, lv) or self._kind(group, lv)

    def of_snapshot(self, group: Group, lv: Lv) -> Obstacle | None:
        """What hinders ``lv`` from becoming a snapshot of a volume of ours; None if nothing does."""
        if (found := self._managed(group, lv) or _inner(group, lv)) is not None:
            return found
        if not is_snapshot(lv):
            return Obstacle(Hindrance.VOLUME, "it is no snapshot: bring it in as a volume")
        if origin_of(group, lv) is None:
            return Obstacle(
                Hindrance.ORIGIN,
                f"it is a snapshot of {group.name}/{lv.origin}, which is no volume of Hearth:"
                " bring that in first",
            )
        return _claimed(group, lv) or self._state(group, lv) or self._readable(lv)

    def _managed(self, group: Group, lv: Lv) -> Obstacle | None:
        if manager(lv) != OURS:
            return None
        if is_unfinished(lv):
            return self._unfinished(lv)
        owner = f", brought in for {lv.fields['owner']}" if lv.fields.get("owner") else ""
        kind = lv.fields.get("kind", "object")
        return Obstacle(Hindrance.MANAGED, f"it is {kind} {group.id}.{lv.object_id} already{owner}")

    def _unfinished(self, lv: Lv) -> Obstacle:
        if self._works.has(lv):
            return Obstacle(Hindrance.IN_WORK, "Hearth is making or removing it: wait for that")
        if names.DELETING in lv.tags:
            return Obstacle(
                Hindrance.UNFINISHED,
                "Hearth could not wipe it, and tries again: the log of this node says why",
            )
        return Obstacle(
            Hindrance.UNFINISHED,
            "Hearth began to make it and broke off; who asked for it finishes it by asking again",
        )

    def _state(self, group: Group, lv: Lv) -> Obstacle | None:
        if group.missing or lv.health == "partial":
            return Obstacle(
                Hindrance.MISSING_DISK,
                f"volume group {group.name} lacks {group.missing} of its disks, and nothing of it can"
                " be changed: bring them back or look at vgreduce --removemissing",
            )
        if self._group.is_open(lv):
            return Obstacle(Hindrance.OPEN, "it is open: unmount it, or end what uses it")
        return None

    def _kind(self, group: Group, lv: Lv) -> Obstacle | None:
        if any(each.merging for each in group.snapshots_of(lv)):
            return Obstacle(Hindrance.MERGING, "a snapshot is being merged into it: wait for that")
        kinds = {segment.type for segment in lv.segments}
        try:
            layouts.of(lv)
        except Invalid:
            return _layout(kinds)
        if len(kinds) > 1 or "extthinorigin" in lv.roles:
            return _layout(kinds)
        if lv.is_thin and lv.pool not in self._group.options.thin_pools:
            return Obstacle(
                Hindrance.UNKNOWN_POOL,
                f"it lives in thin pool {group.name}/{lv.pool}, which backend {self._group.backend}"
                " does not look after: add it to thinPools",
            )
        return None

    def _readable(self, lv: Lv) -> Obstacle | None:
        if lv.merging:
            return Obstacle(Hindrance.MERGING, "it is being merged into its origin")
        if devices.is_invalid(self._group, lv):
            return Obstacle(Hindrance.OVERFLOWED, "it overflowed and cannot be read: remove it")
        return None


def is_snapshot(lv: Lv) -> bool:
    """Whether it is listed with the snapshots: by its tags if it is ours, otherwise by what LVM says.

    To LVM a thin clone, and a thin volume that was reverted, are snapshots as well.
    """
    kind = lv.fields.get("kind")
    return kind == records.SNAPSHOT if kind else "snapshot" in lv.roles


def origin_of(group: Group, snapshot: Lv) -> Lv | None:
    """The volume of ours that LVM says ``snapshot`` is one of."""
    volumes = records.catalogue(group).volumes.values()
    return next((lv for lv in volumes if lv.name == snapshot.origin), None)


def manager(lv: Lv) -> str:
    """Who provably manages it: us, another program by the tag that it writes, or nobody."""
    if names.is_ours(lv.tags):
        return OURS
    return next((OTHERS[begin] for begin, _tag in _foreign(lv)), "")


def _foreign(lv: Lv) -> Iterator[tuple[str, str]]:
    for tag in sorted(lv.tags):
        yield from ((begin, tag) for begin in OTHERS if tag.startswith(begin))


def _inner(group: Group, lv: Lv) -> Obstacle | None:
    if lv.type in POOLS:
        return Obstacle(Hindrance.POOL, "it is a pool: what lives in it can be brought in")
    if "private" not in lv.roles:
        return None
    owner = f" of {group.name}/{lv.parent}" if lv.parent else ""
    if "raid" in lv.roles:
        return Obstacle(Hindrance.RAID_IMAGE, f"it is a part of a RAID volume{owner}")
    if "pool" in lv.roles:
        return Obstacle(Hindrance.PART_OF_POOL, f"it is a part of a pool{owner}")
    return Obstacle(Hindrance.HIDDEN, f"it is an inner part{owner or ' of another volume'}")


def _claimed(group: Group, lv: Lv) -> Obstacle | None:
    for begin, tag in _foreign(lv):
        return Obstacle(
            Hindrance.FOREIGN,
            f"{OTHERS[begin]} manages it (tag {tag}): if that has let go of it, lvchange --deltag"
            f" {tag} {group.name}/{lv.name}",
        )
    return None


def _layout(kinds: set[str]) -> Obstacle:
    known = ", ".join(layouts.PARAMETERS["layout"])
    return Obstacle(
        Hindrance.LAYOUT,
        f"it is of type {'+'.join(sorted(kinds))}, and this driver knows {known}: convert it with"
        " lvconvert",
    )
