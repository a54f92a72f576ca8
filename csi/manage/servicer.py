"""The Manage service on the backends of this node: convert, call, convert."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import BinaryIO, cast

from csi.controller.adoption import Adoption
from csi.controller.groups import Groups
from csi.controller.inventory import Inventory
from csi.controller.paging import Page
from csi.controller.provisioner import Provisioner
from csi.manage import convert, existing, groups, images
from csi.spec import manage_pb2 as pb
from drivers.backends import Backends
from drivers.errors import Invalid
from drivers.model import Volume

LOOK = 1.0
"""Seconds between two looks at what is in memory anyway, for whoever watches."""
RETRY = 15
"""Looks from one try to set up what serves nothing to the next."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the service hands on to."""

    provisioner: Provisioner
    inventory: Inventory
    adoption: Adoption
    groups: Groups


class Manage:
    """The service."""

    def __init__(self, node: str, backends: Backends, rules: Rules, look: float = LOOK) -> None:
        self._node = node
        self._backends = backends
        self._provisioner = rules.provisioner
        self._inventory = rules.inventory
        self._adoption = rules.adoption
        self._groups = rules.groups
        self._look = look

    def WatchBackends(
        self, _request: pb.WatchBackendsRequest
    ) -> Iterator[pb.WatchBackendsResponse | None]:
        told = None
        for look in count(1):
            now = convert.watched(self._node, self._backends)
            yield now if now != told else None
            told = now
            if look % RETRY == 0:
                # Who watches wants to know of disks that were added, and nobody may ask for them.
                self._backends.usable()
            time.sleep(self._look)

    def FindVolume(self, request: pb.FindVolumeRequest) -> pb.FindVolumeResponse:
        if not request.name:
            raise Invalid("name is missing")
        return pb.FindVolumeResponse(found=self._provisioner.has_begun(request.name))

    def ListVolumes(self, request: pb.ListVolumesRequest) -> pb.ListVolumesResponse:
        if request.volume_id:
            page = Page([self._inventory.volume(request.volume_id)], "")
        else:
            page = self._inventory.volumes(convert.where(request), request.backend)
        in_use = self._inventory.in_use(page.items)
        return convert.volumes(page, self._inventory.backend_of, in_use)

    def ListSnapshots(self, request: pb.ListSnapshotsRequest) -> pb.ListSnapshotsResponse:
        page = self._inventory.snapshots(
            convert.where(request),
            of=request.volume_id,
            only=request.snapshot_id,
            backend=request.backend,
        )
        return convert.snapshots(page, self._inventory.backend_of)

    def ListManageableVolumes(self, request: pb.ListManageableRequest) -> pb.ListManageableResponse:
        name = self._adoption.backend(request.backend, "").name
        return existing.page(self._adoption.volumes(name, existing.query(request)), name)

    def ListManageableSnapshots(
        self, request: pb.ListManageableRequest
    ) -> pb.ListManageableResponse:
        name = self._adoption.backend(request.backend, "").name
        return existing.page(self._adoption.snapshots(name, existing.query(request)), name)

    def ListOrphans(self, request: pb.ListOrphansRequest) -> pb.ListOrphansResponse:
        return existing.orphans(self._adoption.orphans(request.backend))

    def ManageVolume(self, request: pb.ManageVolumeRequest) -> pb.ManageVolumeResponse:
        backend = self._adoption.backend(request.backend, request.storage)
        spec, reference = existing.wanted(request), existing.reference(request.reference)
        made = self._adoption.manage(backend, spec, reference, rehearse=request.dry_run)
        if isinstance(made, Volume):
            return pb.ManageVolumeResponse(volume=self._told(made))
        return pb.ManageVolumeResponse(volume=existing.foreseen(made, backend.name, spec))

    def UnmanageVolume(self, request: pb.UnmanageVolumeRequest) -> pb.UnmanageVolumeResponse:
        adoption, name, dry = self._adoption, request.name, request.dry_run
        if request.brought_in.name:
            left = adoption.take_back(existing.brought_in(request), name, rehearse=dry)
        else:
            left = adoption.unmanage(request.volume_id, name, rehearse=dry)
        where = existing.told(left.reference)
        return pb.UnmanageVolumeResponse(storage=left.storage, reference=where)

    def ManageSnapshot(self, request: pb.ManageSnapshotRequest) -> pb.ManageSnapshotResponse:
        backend = self._adoption.backend(request.backend, request.storage)
        spec, reference = existing.wanted_snapshot(request), existing.reference(request.reference)
        made = self._adoption.manage_snapshot(
            backend, spec, reference, of=request.volume_id, rehearse=request.dry_run
        )
        return pb.ManageSnapshotResponse(snapshot=existing.snapshot(made, backend.name, spec))

    def UnmanageSnapshot(self, request: pb.UnmanageSnapshotRequest) -> pb.UnmanageSnapshotResponse:
        adoption, name, dry = self._adoption, request.name, request.dry_run
        if request.brought_in.name:
            left = adoption.take_back_snapshot(existing.brought_in(request), name, rehearse=dry)
        else:
            left = adoption.unmanage_snapshot(request.snapshot_id, name, rehearse=dry)
        where = existing.told(left.reference)
        return pb.UnmanageSnapshotResponse(storage=left.storage, reference=where)

    def RevertVolume(self, request: pb.RevertVolumeRequest) -> pb.RevertVolumeResponse:
        revert = self._inventory.revertible if request.dry_run else self._provisioner.revert
        volume = revert(request.volume_id, request.snapshot_id)
        return pb.RevertVolumeResponse(volume=self._told(volume))

    def ListGroups(self, request: pb.ListGroupsRequest) -> pb.ListGroupsResponse:
        return groups.groups(self._groups.all(request.backend), self._groups.backend_of)

    def CreateGroup(self, request: pb.CreateGroupRequest) -> pb.CreateGroupResponse:
        made = self._groups.create(request.name, request.volume_ids)
        return pb.CreateGroupResponse(group=groups.group(made, self._groups.backend_of))

    def UpdateGroup(self, request: pb.UpdateGroupRequest) -> pb.UpdateGroupResponse:
        changed = self._groups.update(
            request.group_id, request.add_volume_ids, request.remove_volume_ids
        )
        return pb.UpdateGroupResponse(group=groups.group(changed, self._groups.backend_of))

    def DeleteGroup(self, request: pb.DeleteGroupRequest) -> pb.DeleteGroupResponse:
        self._groups.delete(request.group_id)
        return pb.DeleteGroupResponse()

    def SnapshotGroup(self, request: pb.SnapshotGroupRequest) -> pb.SnapshotGroupResponse:
        group = self._groups.get(request.group_id)
        made = self._groups.cut(request.name, group.volume_ids, {})
        found = groups.snapshot(made, self._groups.backend_of)
        return pb.SnapshotGroupResponse(group_snapshot=found)

    def ListGroupSnapshots(
        self, request: pb.ListGroupSnapshotsRequest
    ) -> pb.ListGroupSnapshotsResponse:
        return groups.snapshots(self._groups.snapshots(request.backend), self._groups.backend_of)

    def DeleteGroupSnapshot(
        self, request: pb.DeleteGroupSnapshotRequest
    ) -> pb.DeleteGroupSnapshotResponse:
        self._groups.delete_snapshot(request.group_snapshot_id)
        return pb.DeleteGroupSnapshotResponse()

    def CreateVolumeFromImage(
        self,
        first: pb.CreateVolumeFromImageRequest,
        rest: Iterator[pb.CreateVolumeFromImageRequest],
    ) -> pb.CreateVolumeFromImageResponse:
        head, wanted = first.head, images.wanted(first.head)
        if head.dry_run:
            found = convert.foreseen(self._provisioner.foresee(wanted), head.backend)
            return pb.CreateVolumeFromImageResponse(volume=found)
        image = cast(BinaryIO, images.Incoming(rest))
        made = self._provisioner.create_from_image(wanted, image, head.image_size)
        return pb.CreateVolumeFromImageResponse(volume=self._told(made))

    def CopyVolumeToImage(
        self, request: pb.CopyVolumeToImageRequest
    ) -> Iterator[pb.CopyVolumeToImageResponse]:
        volume = self._inventory.volume(request.volume_id)
        yield from images.sent(partial(self._provisioner.copy_out, volume.id), volume.size)

    def _told(self, volume: Volume) -> pb.Volume:
        inventory = self._inventory
        in_use = volume.id in inventory.in_use([volume])
        return convert.volume(volume, inventory.backend_of(volume.id), in_use=in_use)
