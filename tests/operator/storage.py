"""A node's Manage service without storage: logical volumes in a dict, and the tags that adoption writes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from csi.spec import manage_pb2 as pb
from drivers.errors import Busy, Exists, InUse, Invalid, NotFound, Precondition, Unmanageable
from drivers.manageable import Hindrance, Obstacle

GIB = 1 << 30


@dataclass
class Lv:
    """One logical volume; ``owner`` and ``id`` are tags."""

    name: str
    size: int = GIB
    fs: str = "ext4"
    is_open: bool = False
    hindrance: str = ""
    origin: str = ""
    usable: bool = True
    id: str = ""
    owner: str = ""
    csi_name: str = ""
    uuid: str = ""
    may_be_deleted: bool = True
    """False for what was brought in without leave."""
    properties: pb.Properties = field(default_factory=pb.Properties)


@dataclass
class Node:
    """What a node has, and everybody's way into it: the service, and the test."""

    name: str = "n1"
    backend: str = "hearth"
    group: str = "vg0"
    backend_id: str = "BACKEND1"
    lvs: dict[str, Lv] = field(default_factory=dict)
    warning: str = ""
    orphans: list[pb.Orphan] = field(default_factory=list)
    changed: Callable[[str], None] = lambda _what: None
    """Told of every change that was made, before it is answered."""
    pause: float = 0.0
    asked: int = 0
    """How often somebody began to adopt or to release."""
    going: set[str] = field(default_factory=set)
    """The names that something is being brought in under."""
    revision: int = 1
    guard: threading.RLock = field(default_factory=threading.RLock)

    def add(self, name: str, **facts: object) -> Lv:
        """A logical volume that somebody made by hand."""
        with self.guard:
            number = len(self.lvs) + 1
            lv = replace(Lv(name), uuid=f"uuid-{number}", **facts)  # type: ignore[arg-type]
            self.lvs[name] = lv
            self.revision += 1
            return lv

    def delete(self, object_id: str) -> None:
        """What DeleteVolume and DeleteSnapshot do."""
        with self.guard:
            for lv in [each for each in self.lvs.values() if each.id == object_id]:
                if not lv.may_be_deleted:
                    raise Precondition(f"{lv.name} was brought in without leave to delete it")
                del self.lvs[lv.name]
                self.revision += 1


class Manage:
    """The service of one node."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def WatchBackends(
        self, _request: pb.WatchBackendsRequest
    ) -> Iterator[pb.WatchBackendsResponse | None]:
        told = None
        while True:
            now = self._told()
            yield now if now != told else None
            told = now
            time.sleep(0.05)

    def _told(self) -> pb.WatchBackendsResponse:
        node = self.node
        volumes = [lv for lv in node.lvs.values() if lv.id and not lv.origin]
        backend = pb.Backend(
            name=node.backend,
            id=node.backend_id,
            driver="lvm",
            driver_version="1",
            storage=node.group,
            total=pb.Capacity(bytes=100 * GIB),
            free=pb.Capacity(bytes=50 * GIB),
            largest_volume=pb.Capacity(bytes=50 * GIB),
            volumes=len(volumes),
            revision=str(node.revision),
            warning=node.warning,
        )
        return pb.WatchBackendsResponse(node=node.name, backends=[backend], complete=True)

    def ListVolumes(self, request: pb.ListVolumesRequest) -> pb.ListVolumesResponse:
        found = [
            self._volume(lv)
            for lv in self.node.lvs.values()
            if lv.id and not lv.origin and request.volume_id in ("", lv.id)
        ]
        if request.volume_id and not found:
            raise NotFound(f"there is no volume {request.volume_id}")
        return pb.ListVolumesResponse(volumes=found)

    def ListSnapshots(self, request: pb.ListSnapshotsRequest) -> pb.ListSnapshotsResponse:
        found = [
            self._snapshot(lv)
            for lv in self.node.lvs.values()
            if lv.id
            and lv.origin
            and request.snapshot_id in ("", lv.id)
            and request.volume_id in ("", self._origin_id(lv))
        ]
        return pb.ListSnapshotsResponse(snapshots=found)

    def ListManageableVolumes(
        self, _request: pb.ListManageableRequest
    ) -> pb.ListManageableResponse:
        return self._manageable(snapshots=False)

    def ListManageableSnapshots(
        self, _request: pb.ListManageableRequest
    ) -> pb.ListManageableResponse:
        return self._manageable(snapshots=True)

    def ListOrphans(self, _request: pb.ListOrphansRequest) -> pb.ListOrphansResponse:
        return pb.ListOrphansResponse(orphans=self.node.orphans)

    def ManageVolume(self, request: pb.ManageVolumeRequest) -> pb.ManageVolumeResponse:
        lv = self._adopted(request)
        return pb.ManageVolumeResponse(volume=self._volume(lv))

    def ManageSnapshot(self, request: pb.ManageSnapshotRequest) -> pb.ManageSnapshotResponse:
        lv = self._adopted(request)
        return pb.ManageSnapshotResponse(snapshot=self._snapshot(lv))

    def UnmanageVolume(self, request: pb.UnmanageVolumeRequest) -> pb.UnmanageVolumeResponse:
        meant = self._meant(request.volume_id, request.brought_in)
        with self.node.guard:
            for lv in self.node.lvs.values():
                if lv.origin and lv.id and self._origin_id(lv) == meant:
                    raise InUse(f"snapshot {lv.name} of it exists")
        reference = self._released(meant, request.name, request.dry_run)
        return pb.UnmanageVolumeResponse(storage=self.node.group, reference=reference)

    def UnmanageSnapshot(self, request: pb.UnmanageSnapshotRequest) -> pb.UnmanageSnapshotResponse:
        meant = self._meant(request.snapshot_id, request.brought_in)
        reference = self._released(meant, request.name, request.dry_run)
        return pb.UnmanageSnapshotResponse(storage=self.node.group, reference=reference)

    def _adopted(self, request: pb.ManageVolumeRequest | pb.ManageSnapshotRequest) -> Lv:
        self.node.asked += 1
        self.node.going.add(request.name)
        try:
            time.sleep(self.node.pause)
            return self._adopted_now(request)
        finally:
            self.node.going.discard(request.name)

    def _adopted_now(self, request: pb.ManageVolumeRequest | pb.ManageSnapshotRequest) -> Lv:
        self._check_backend(request.backend)
        with self.node.guard:
            lv = self._found(request.reference)
            if lv.id:
                if (lv.owner, lv.csi_name) == (request.owner, request.name):
                    return lv
                raise Exists(f"{lv.name} is managed by {lv.owner or 'hearth'} already")
            if lv.is_open:
                raise InUse(f"{lv.name} is open")
            if lv.hindrance:
                words = f"{lv.name} cannot be brought in: {lv.hindrance}"
                raise Unmanageable(words, Obstacle(Hindrance(lv.hindrance), words))
            made = replace(lv, owner=request.owner, csi_name=request.name)
            made.id = f"{self.node.backend_id}.{request.name}"
            made.may_be_deleted = request.allow_delete
            if isinstance(request, pb.ManageVolumeRequest):
                made.properties = request.properties
            if not request.dry_run:
                self.node.lvs[lv.name] = made
                self._change("adopt")
            return made

    def _meant(self, object_id: str, of: pb.BroughtIn) -> str:
        if not of.name:
            return object_id
        self._check_backend(of.backend)
        if of.name in self.node.going:
            raise Busy(f"{of.name} is being brought in")
        with self.node.guard:
            found = [lv for lv in self.node.lvs.values() if lv.csi_name == of.name]
            for lv in found:
                if lv.owner != of.owner:
                    raise Exists(f"{lv.name} was not brought in for {of.owner}")
            return found[0].id if found else "nothing of that name"

    def _check_backend(self, name: str) -> None:
        # As a node with several: none is asked that was not named.
        if name != self.node.backend:
            raise Invalid(f"one backend must be named, not {name or 'none'}")

    def _released(self, object_id: str, name: str, dry_run: bool) -> pb.Reference:
        self.node.asked += 1
        time.sleep(self.node.pause)
        with self.node.guard:
            found = [each for each in self.node.lvs.values() if each.id == object_id]
            if not found and dry_run:
                raise NotFound(f"there is no {object_id}")
            if not found:
                return pb.Reference()
            lv = found[0]
            if lv.is_open:
                raise InUse(f"{lv.name} is open")
            named = name or lv.name
            if named != lv.name and named in self.node.lvs:
                raise Exists(f"there is a {named}")
            if not dry_run:
                del self.node.lvs[lv.name]
                self.node.lvs[named] = replace(lv, name=named, id="", owner="", csi_name="")
                self._change("release")
            return pb.Reference(name=named, uuid=lv.uuid)

    def _change(self, what: str) -> None:
        self.node.revision += 1
        self.node.changed(what)

    def _found(self, reference: pb.Reference) -> Lv:
        for lv in self.node.lvs.values():
            if reference.uuid == lv.uuid if reference.uuid else reference.name == lv.name:
                return lv
        raise NotFound(f"{self.node.group} has no {reference.name or reference.uuid}")

    def _origin_id(self, lv: Lv) -> str:
        return self.node.lvs[lv.origin].id

    def _manageable(self, *, snapshots: bool) -> pb.ListManageableResponse:
        return pb.ListManageableResponse(
            entries=[
                pb.Manageable(
                    reference=pb.Reference(name=lv.name, uuid=lv.uuid),
                    backend=self.node.backend,
                    size=lv.size,
                    safe=not (lv.is_open or lv.hindrance or lv.id),
                    reason="open" if lv.is_open else lv.hindrance or ("managed" if lv.id else ""),
                    message="said by the fake" if lv.is_open or lv.hindrance else "",
                    origin=pb.Reference(name=lv.origin),
                )
                for lv in self.node.lvs.values()
                if bool(lv.origin) == snapshots
            ]
        )

    def _volume(self, lv: Lv) -> pb.Volume:
        properties = pb.Properties()
        properties.CopyFrom(lv.properties)
        properties.fs_type = lv.fs
        return pb.Volume(
            id=lv.id,
            backend=self.node.backend,
            size=lv.size,
            content="adopted",
            properties=properties,
            owner=lv.owner,
            reference=lv.name,
            may_be_deleted=lv.may_be_deleted,
        )

    def _snapshot(self, lv: Lv) -> pb.Snapshot:
        return pb.Snapshot(
            id=lv.id,
            backend=self.node.backend,
            volume_id=self._origin_id(lv),
            size=lv.size,
            usable=lv.usable,
            owner=lv.owner,
            reference=lv.name,
        )
