"""Letting go of volumes and snapshots: they become plain logical volumes, with every byte.

First the name is given, then all tags go in one ``lvchange``, which is the moment of release: a process
killed before it has released nothing, and the repeated call finds the volume by its id and goes on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from drivers.errors import Busy, Exists, InUse, Invalid, Precondition
from drivers.lvm import commands, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.manageable import reference_of
from drivers.lvm.removal import Removal
from drivers.lvm.report import Group, Lv
from drivers.lvm.revert import Revert
from drivers.lvm.snapshots import Snapshots
from drivers.lvm.volumes import Volumes
from drivers.manageable import Reference
from drivers.model import Source, SourceKind

ALLOWED = re.compile(r"(?!\.\.?$)[A-Za-z0-9_+.][A-Za-z0-9_+.-]{0,99}")
RESERVED = re.compile(
    r"(snapshot|pvmove)|.*_(cdata|cmeta|corig|cvol|iorig|mimage|mlog|pmspare|rimage|rmeta|tdata|tmeta"
    r"|vdata|vorigin|wcorig)"
)
"""What lvm(8) reserves: prefixes, and parts of names that it gives itself."""


class Release:
    """Takes our tags off."""

    def __init__(
        self,
        group: VolumeGroup,
        volumes: Volumes,
        snapshots: Snapshots,
        removal: Removal,
        revert: Revert,
    ) -> None:
        self._group = group
        self._volumes = volumes
        self._snapshots = snapshots
        self._removal = removal
        self._revert = revert

    def volume(self, identifier: str, name: str | None, *, rehearse: bool) -> Reference | None:
        """See `ManageDriver.unmanage`."""
        if not self._group.owns(identifier):
            return None
        if (lv := self._volumes.find(self._group.read(), identifier)) is None:
            return None
        if not rehearse:
            # What a revert left behind has the same id, and would be the volume again.
            self._revert.finish(lv)
        with self._group.changing() as now:
            if (lv := self._volumes.find(now, identifier)) is None:
                return None
            self._volumes.settled(now, identifier)
            self._refuse_volume(now, lv, identifier)
            wanted = self._wanted(now, lv, name)
            if rehearse:
                return Reference(wanted, lv.uuid)
            self._drop_leftovers(now, lv, identifier)
            return self._let_go(self._group.again(lv), wanted)

    def snapshot(self, identifier: str, name: str | None, *, rehearse: bool) -> Reference | None:
        """See `ManageSnapshotsDriver.unmanage_snapshot`."""
        if not self._group.owns(identifier):
            return None
        with self._group.changing() as now:
            if (lv := self._snapshots.find(now, self._group.object_id(identifier))) is None:
                return None
            self._volumes.refuse_reverting(now, lv)
            self._refuse_member(now, lv, identifier)
            self._refuse_copied(now, lv, Source(SourceKind.SNAPSHOT, identifier))
            if self._group.is_open(lv):
                raise InUse(f"snapshot {identifier} ({now.name}/{lv.name}) is being read")
            wanted = self._wanted(now, lv, name)
            return Reference(wanted, lv.uuid) if rehearse else self._let_go(lv, wanted)

    def _refuse_volume(self, group: Group, lv: Lv, identifier: str) -> None:
        if self._group.is_open(lv):
            raise InUse(
                f"volume {identifier} ({group.name}/{lv.name}) is open: stop the pods that use it"
            )
        snapshots = records.catalogue(group).snapshots.values()
        held = [each for each in snapshots if each.fields.get("volume") == identifier]
        if cuts := {cut for each in held if (cut := records.cut_of(group, each)) is not None}:
            told = ", ".join(sorted(cuts))
            raise InUse(f"volume {identifier} is in group snapshots: delete {told} first")
        if held:
            told = ", ".join(f"{group.id}.{each.object_id} ({each.name})" for each in held)
            raise InUse(f"volume {identifier} has snapshots: delete or release {told} first")
        self._refuse_copied(group, lv, Source(SourceKind.VOLUME, identifier))

    def _refuse_member(self, group: Group, lv: Lv, identifier: str) -> None:
        if (cut := records.cut_of(group, lv)) is not None:
            raise Precondition(
                f"snapshot {identifier} is a member of group snapshot {cut}, which cannot be without it:"
                " make a volume of it, and release that"
            )

    def _refuse_copied(self, group: Group, lv: Lv, source: Source) -> None:
        for each in group.lvs.values():
            made_of_it = each.fields.get("source") == records.told(source)
            if names.CREATING in each.tags and made_of_it:
                raise Busy(f"{group.name}/{lv.name} is being copied to {each.name}; ask again")

    def _drop_leftovers(self, group: Group, lv: Lv, identifier: str) -> None:
        """Remove what broken calls left of ours that only the volume gives a meaning to."""
        for each in group.lvs.values():
            is_cut = names.CREATING in each.tags and each.fields.get("volume") == identifier
            if each.tag(names.CUT):
                continue  # of several volumes: all of it is removed where that is done
            if is_cut or each.tag(names.TAIL) == lv.object_id:
                self._removal.remove(each)

    def _wanted(self, group: Group, lv: Lv, name: str | None) -> str:
        """The name to have afterwards; raises `Invalid` or `Exists` if it cannot be."""
        original = lv.fields.get("original", "")
        if name is None:
            # A name that somebody chose stays; one that we gave it (after a revert) goes.
            name = original if original and names.is_made(lv.name) else lv.name
        if name != lv.name and (not ALLOWED.fullmatch(name) or RESERVED.match(name)):
            raise Invalid(
                f"LVM allows no logical volume to be called {name!r}: choose another name"
            )
        if name != lv.name and name in group.lvs:
            raise Exists(
                f"volume group {group.name} has a logical volume {name} already: choose another name"
                f" for {lv.name}"
            )
        return name

    def _let_go(self, lv: Lv, name: str) -> Reference:
        if lv.name != name:
            self._group.run(commands.rename(self._group.name, lv.name, name))
        ours = _ours(lv.tags)
        self._group.retag(self._group.again(lv), remove=ours)
        return reference_of(self._group.again(lv))


def _ours(tags: Iterable[str]) -> frozenset[str]:
    return frozenset(tag for tag in tags if tag.startswith(names.PREFIX))
