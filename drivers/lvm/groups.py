"""Groups of volumes that last, kept in tags of the volume group itself.

One tag says that a group is there and how it is called, and one for each volume that this is in it. LVM
changes all of them in one transaction, so a group is never half changed. A volume is named by its object
id, which survives everything but its deletion; what is deleted is in no group from then on, and its tag goes
with the next change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from drivers.errors import Invalid, NotFound
from drivers.groups import Group as Together
from drivers.groups import GroupId
from drivers.lvm import commands, names, records
from drivers.lvm.group import VolumeGroup
from drivers.lvm.groupsnapshots import GroupSnapshots
from drivers.lvm.report import Group
from drivers.model import VolumeId


class Groups:
    """The groups of volumes in one volume group."""

    def __init__(self, group: VolumeGroup, snapshots: GroupSnapshots) -> None:
        self._group = group
        self._snapshots = snapshots

    def get(self, now: Group, identifier: str) -> Together:
        """See `GroupDriver.get_group`."""
        group_id = self._group.object_id(identifier)
        if (name := _names(now).get(group_id)) is None:
            raise NotFound(f"group {identifier} does not exist in volume group {now.name}")
        return _record(now, group_id, name)

    def all(self, now: Group) -> Sequence[Together]:
        """See `GroupDriver.list_groups`."""
        return [_record(now, group_id, name) for group_id, name in sorted(_names(now).items())]

    def create(self, name: str, volume_ids: Sequence[VolumeId]) -> Together:
        """See `GroupDriver.create_group`."""
        if not 0 < len(name.encode()) <= 128:
            raise Invalid("a group needs a name of at most 128 bytes")
        with self._group.changing() as now:
            found = next((each for each in self.all(now) if each.name == name), None)
            if found is not None:
                return found
            self._refuse_scattered(now, volume_ids)
            group_id = names.object_id()
            tag = f"{names.GROUP}{group_id}:{names.escaped(name)}"
            tags = [tag, *self._tags(group_id, volume_ids)]
            self._group.run(commands.retag_group(now.name, add=tags))
            return self.get(self._group.read(), f"{now.id}.{group_id}")

    def update(
        self, identifier: str, add: Sequence[VolumeId], remove: Sequence[VolumeId]
    ) -> Together:
        """See `GroupDriver.update_group`."""
        with self._group.changing() as now:
            group = self.get(now, identifier)
            wanted = (set(group.volume_ids) | set(add)) - set(remove)
            self._refuse_scattered(now, sorted(wanted))
            group_id = self._group.object_id(identifier)
            self._change(now, _tags_in(now, group_id), set(self._tags(group_id, wanted)))
            return self.get(self._group.read(), identifier)

    def delete(self, identifier: str) -> None:
        """See `GroupDriver.delete_group`."""
        if not self._group.owns(identifier):
            return
        with self._group.changing() as now:
            group_id = self._group.object_id(identifier)
            mine = {tag for tag in now.tags if tag.startswith(f"{names.GROUP}{group_id}:")}
            self._change(now, mine | _tags_in(now, group_id), set())

    def _refuse_scattered(self, now: Group, volume_ids: Sequence[VolumeId]) -> None:
        if volume_ids:
            self._snapshots.together(now, volume_ids)

    def _change(self, now: Group, before: Set[str], after: Set[str]) -> None:
        if before != after:
            argv = commands.retag_group(now.name, add=after - before, remove=before - after)
            self._group.run(argv)

    def _tags(self, group_id: str, volume_ids: Iterable[str]) -> Iterator[str]:
        for each in volume_ids:
            yield f"{names.IN}{group_id}:{self._group.object_id(each)}"


def _names(now: Group) -> Mapping[str, str]:
    """The name of each group by its object id."""
    tags = (tag.removeprefix(names.GROUP) for tag in now.tags if tag.startswith(names.GROUP))
    pairs = (tag.partition(":") for tag in tags)
    return {group_id: names.plain(name) for group_id, _, name in pairs}


def _tags_in(now: Group, group_id: str) -> set[str]:
    return {tag for tag in now.tags if tag.startswith(f"{names.IN}{group_id}:")}


def _record(now: Group, group_id: str, name: str) -> Together:
    volumes = records.catalogue(now).volumes
    members = {tag.rpartition(":")[2] for tag in _tags_in(now, group_id)}
    ids = (VolumeId(f"{now.id}.{each}") for each in sorted(members & volumes.keys()))
    return Together(GroupId(f"{now.id}.{group_id}"), name, tuple(ids))
