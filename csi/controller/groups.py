"""The rules of groups of volumes and of the moments cut of them, free of any protocol.

As in the provisioner: every method may be called again with the same arguments after any failure, and what a
request asks for is compared and refused here, before a driver does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress

from csi.controller import abilities
from csi.controller.parameters import group_snapshot_labels
from drivers.backends import Backends, is_id
from drivers.errors import (
    Busy,
    Exists,
    Invalid,
    NotFound,
    Precondition,
    StorageError,
    Unavailable,
)
from drivers.groups import Group, GroupId, GroupSnapshot, GroupSnapshotSpec
from drivers.interface import GroupDriver
from drivers.locks import Locks
from drivers.model import GroupSnapshotId, VolumeId

Observe = Callable[[str, str, float | None], None]
"""Called after each cut with the backend, what came of it, and for how many seconds writers were held."""


class Groups:
    """Groups on the backends of one node."""

    def __init__(
        self,
        backends: Backends,
        locks: Locks,
        observe: Observe = lambda _backend, _result, _pause: None,
    ) -> None:
        """``locks`` are shared with everybody who changes volumes on this node."""
        self._backends = backends
        self._locks = locks
        self._observe = observe

    # One moment of several volumes

    def cut(
        self, name: str, volume_ids: Sequence[str], parameters: Mapping[str, str]
    ) -> GroupSnapshot:
        """The group snapshot of that name, cut now or found.

        Raises `Exists` if it is one of other volumes or with other labels, `NotFound` without one of them,
        and `Precondition`, with their ids and why, for volumes of which no driver can have one moment.
        """
        if not (name and volume_ids):
            raise Invalid("a group snapshot needs a name and volumes")
        with self._counted(volume_ids[0]):
            labels = group_snapshot_labels(parameters)
            with self._locks.hold(f"group-snapshot-name:{name}", *volume_ids):
                found = self._find(name, volume_ids) or self._cut(name, volume_ids, labels)
                return _as_wanted(found, name, volume_ids, labels)

    def _cut(
        self, name: str, volume_ids: Sequence[str], labels: Mapping[str, str]
    ) -> GroupSnapshot:
        driver = self._driver(volume_ids)
        ids = tuple(VolumeId(each) for each in volume_ids)
        made = driver.create_group_snapshot(GroupSnapshotSpec(name, ids, labels))
        self._observe(self.backend_of(ids[0]), "done", made.pause)
        return made

    @contextmanager
    def _counted(self, volume_id: str) -> Iterator[None]:
        """Count a failure of the block, whoever refuses, for the volume's backend if that is here."""
        try:
            yield
        except StorageError as error:
            mine = (each for each in self._backends if each.id == volume_id.partition(".")[0])
            if (backend := next(mine, None)) is not None:
                self._observe(backend.name, _result(error), None)
            raise

    def snapshot(self, group_snapshot_id: str, snapshot_ids: Collection[str] = ()) -> GroupSnapshot:
        """The group snapshot of that id; raises `NotFound`.

        Raises `Invalid` if ``snapshot_ids`` are given and are not those of its members.
        """
        driver = abilities.groups(self._backends.of(group_snapshot_id))
        found = driver.get_group_snapshot(GroupSnapshotId(group_snapshot_id))
        _refuse_others(found, snapshot_ids)
        return found

    def delete_snapshot(self, group_snapshot_id: str, snapshot_ids: Collection[str] = ()) -> None:
        """Remove the group snapshot and all its members; success if there is none of that id.

        Raises `Invalid` as `snapshot` does, and removes nothing then.
        """
        if not is_id(group_snapshot_id):
            return
        driver = self._backends.of(group_snapshot_id)
        if isinstance(driver, GroupDriver):
            members: list[str] = []
            with suppress(NotFound):
                found = self.snapshot(group_snapshot_id, snapshot_ids)
                members = [each.id for each in found.snapshots]
            with self._locks.hold(group_snapshot_id, *members):
                driver.delete_group_snapshot(GroupSnapshotId(group_snapshot_id))

    # Groups that last

    def create(self, name: str, volume_ids: Sequence[str]) -> Group:
        """The group of that name, made now or found; raises `Exists` if it has other volumes."""
        with self._locks.hold(f"group-name:{name}", *volume_ids):
            ids = [VolumeId(each) for each in volume_ids]
            made = self._driver(volume_ids).create_group(name, ids)
            if set(made.volume_ids) != set(ids):
                raise Exists(
                    f"group {name!r} exists as {made.id}, with other volumes: change it, or delete it"
                )
            return made

    def update(self, group_id: str, add: Sequence[str], remove: Sequence[str]) -> Group:
        """The group, with some volumes more and some less."""
        with self._locks.hold(group_id, *add, *remove):
            driver = abilities.groups(self._backends.of(group_id))
            more, less = ([VolumeId(each) for each in ids] for ids in (add, remove))
            return driver.update_group(GroupId(group_id), more, less)

    def delete(self, group_id: str) -> None:
        """Forget the group; its volumes stay. Success if there is none of that id."""
        if is_id(group_id):
            with self._locks.hold(group_id):
                driver = self._backends.of(group_id)
                if isinstance(driver, GroupDriver):
                    driver.delete_group(GroupId(group_id))

    def get(self, group_id: str) -> Group:
        """The group of that id; raises `NotFound`."""
        return abilities.groups(self._backends.of(group_id)).get_group(GroupId(group_id))

    def all(self, backend: str = "") -> Sequence[Group]:
        """All groups, or those of one backend; `Unavailable` if one that is here cannot tell."""
        return [group for driver in self._able(backend) for group in driver.list_groups()]

    def snapshots(self, backend: str = "") -> Sequence[GroupSnapshot]:
        """All group snapshots, as `all`."""
        return [cut for driver in self._able(backend) for cut in driver.list_group_snapshots()]

    def backend_of(self, object_id: str) -> str:
        """The name of the backend of an object."""
        return self._backends.owner(object_id).name

    def _able(self, backend: str) -> Iterable[GroupDriver]:
        if backend and backend not in self._backends.by_name:
            raise Invalid(f"{backend!r} is not a backend of this node")
        for driver in self._backends.all():
            if isinstance(driver, GroupDriver) and backend in ("", driver.name):
                yield driver

    def _driver(self, volume_ids: Sequence[str]) -> GroupDriver:
        """The one that has all of them; raises `Precondition` if there are several."""
        if not volume_ids:
            raise Invalid("no volume is named")
        owners = {each: self._backends.owner(each) for each in volume_ids}
        if len(set(owners.values())) > 1:
            told = ", ".join(f"{each} on backend {owner.name!r}" for each, owner in owners.items())
            raise Precondition(f"only volumes of one backend can be frozen at one moment: {told}")
        return abilities.groups(self._backends.of(volume_ids[0]))

    def _find(self, name: str, volume_ids: Sequence[str]) -> GroupSnapshot | None:
        """The group snapshot of that name.

        Raises `Unavailable` if a backend of the volumes cannot tell. What another one cannot tell is no more
        in the way than the same name on another node.
        """
        mine = {self._backends.owner(each) for each in volume_ids}
        drivers = [self._backends.use(each) for each in mine]
        for driver in drivers:
            if isinstance(driver, GroupDriver) and (found := driver.find_group_snapshot(name)):
                return found
        for driver in self._backends.usable():
            if isinstance(driver, GroupDriver) and driver not in drivers:
                with suppress(Busy, Unavailable):
                    if found := driver.find_group_snapshot(name):
                        return found
        return None


def _result(error: StorageError) -> str:
    """The kind of a failure, for those who count: there are three."""
    if isinstance(error, Busy):
        return "aborted"
    return "refused" if isinstance(error, Precondition | Invalid | NotFound | Exists) else "failed"


def _as_wanted(
    found: GroupSnapshot, name: str, volume_ids: Sequence[str], labels: Mapping[str, str]
) -> GroupSnapshot:
    if _differ(found, found.volume_ids, set(volume_ids)):
        raise Exists(
            f"group snapshot {name!r} exists as {found.id} of volumes"
            f" {', '.join(sorted(found.volume_ids))}: delete it first, or use another name"
        )
    if (has := found.snapshots[0].labels) != labels:
        raise Exists(
            f"group snapshot {name!r} exists as {found.id} with parameters {dict(has)}, not"
            f" {dict(labels)}: delete it first, or use another name"
        )
    return found


def _refuse_others(found: GroupSnapshot, snapshot_ids: Collection[str]) -> None:
    """CSI: a driver that can tell that the list is another one says so."""
    members = {each.id for each in found.snapshots}
    if snapshot_ids and _differ(found, members, set(snapshot_ids)):
        raise Invalid(
            f"the members of group snapshot {found.id} are {', '.join(sorted(members))}, not"
            f" {', '.join(sorted(snapshot_ids))}"
        )


def _differ(found: GroupSnapshot, has: Set[str], told: Set[str]) -> bool:
    # Of one that somebody took a member from, the caller still knows that.
    return has != told if found.usable else not has <= told
