"""The other end of the Manage service: messages in and out, pages put together, errors by their names.

What a node refuses is raised as the `drivers.errors` that it had there, so that whoever calls (the command
line, the operator) acts on classes and not on codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Protocol, Self, TypeVar

from google.protobuf.message import Message

from csi.rpc.peer import Peer
from csi.rpc.status import Answered, named
from csi.rpc.tls import Certificates
from csi.spec import csi_pb2
from csi.spec import manage_pb2 as pb
from drivers.errors import Invalid
from drivers.exec import soon

PAGE = 500
SERVICE = "/hearth.manage.v1.Manage/"
PLUGIN_INFO = "/csi.v1.Identity/GetPluginInfo"

Answer = TypeVar("Answer", bound=Message)


def connect(endpoint: str, tls: Path | None = None, driver_name: str = "") -> ManageClient:
    """A client of the node at ``endpoint``: ``unix:///path``, or HOST:PORT with the certificates in ``tls``.

    Raises `Invalid` for an endpoint that does not fit.
    """
    if endpoint.startswith("unix:"):
        return ManageClient(Peer("here", endpoint, None))
    if tls is None:
        raise Invalid(f"{endpoint} is no socket of this machine: a node's port needs certificates")
    return ManageClient(Peer(endpoint, endpoint, Certificates(tls), f"node.{driver_name}"))


class Connection(Protocol):
    """What passes bytes on: `csi.rpc.peer.Peer`, or a link of the router."""

    def forward(self, rpc: str, request: bytes) -> bytes: ...


class ManageCalls:
    """The calls of the Manage service that have one answer each, or pages of them."""

    def __init__(self, connection: Connection, patience: float | None = None) -> None:
        """``patience`` is how many seconds an answer may take; without it, the caller's deadline counts."""
        self._connection = connection
        self._patience = patience

    def volumes(self, backend: str = "") -> Iterator[pb.Volume]:
        """All volumes, or those of one backend."""
        request = pb.ListVolumesRequest(backend=backend, max_entries=PAGE)
        while True:
            answer = self._call("ListVolumes", request, pb.ListVolumesResponse)
            yield from answer.volumes
            if not (token := answer.next_token):
                return
            request.starting_token = token

    def volume(self, volume_id: str) -> pb.Volume:
        """The volume of that id; raises `NotFound`."""
        request = pb.ListVolumesRequest(volume_id=volume_id)
        return self._call("ListVolumes", request, pb.ListVolumesResponse).volumes[0]

    def snapshots(
        self, backend: str = "", *, volume_id: str = "", snapshot_id: str = ""
    ) -> Iterator[pb.Snapshot]:
        """All snapshots, those of one backend or volume, or the one of an id."""
        request = pb.ListSnapshotsRequest(
            backend=backend, volume_id=volume_id, snapshot_id=snapshot_id, max_entries=PAGE
        )
        while True:
            answer = self._call("ListSnapshots", request, pb.ListSnapshotsResponse)
            yield from answer.snapshots
            if not (token := answer.next_token):
                return
            request.starting_token = token

    def manageable_volumes(self, request: pb.ListManageableRequest) -> Iterator[pb.Manageable]:
        """What could be brought in as a volume, or not and why; in pages of ``request.max_entries``."""
        return self._manageable("ListManageableVolumes", request)

    def manageable_snapshots(self, request: pb.ListManageableRequest) -> Iterator[pb.Manageable]:
        """What could be brought in as a snapshot, or not and why."""
        return self._manageable("ListManageableSnapshots", request)

    def orphans(self, backend: str = "") -> Iterator[pb.Orphan]:
        """What carries Hearth's marks without being finished."""
        request = pb.ListOrphansRequest(backend=backend)
        yield from self._call("ListOrphans", request, pb.ListOrphansResponse).orphans

    def manage_volume(self, request: pb.ManageVolumeRequest) -> pb.Volume:
        """Bring a volume in."""
        return self._call("ManageVolume", request, pb.ManageVolumeResponse).volume

    def unmanage_volume(self, request: pb.UnmanageVolumeRequest) -> pb.UnmanageVolumeResponse:
        """Let go of a volume; where it is now."""
        return self._call("UnmanageVolume", request, pb.UnmanageVolumeResponse)

    def manage_snapshot(self, request: pb.ManageSnapshotRequest) -> pb.Snapshot:
        """Bring a snapshot in."""
        return self._call("ManageSnapshot", request, pb.ManageSnapshotResponse).snapshot

    def unmanage_snapshot(self, request: pb.UnmanageSnapshotRequest) -> pb.UnmanageSnapshotResponse:
        """Let go of a snapshot; where it is now."""
        return self._call("UnmanageSnapshot", request, pb.UnmanageSnapshotResponse)

    def revert_volume(self, request: pb.RevertVolumeRequest) -> pb.Volume:
        """Take a volume back to a snapshot of it."""
        return self._call("RevertVolume", request, pb.RevertVolumeResponse).volume

    def groups(self, backend: str = "") -> Iterator[pb.Group]:
        """All groups, or those of one backend."""
        request = pb.ListGroupsRequest(backend=backend)
        yield from self._call("ListGroups", request, pb.ListGroupsResponse).groups

    def create_group(self, name: str, volume_ids: Sequence[str]) -> pb.Group:
        """Name volumes that belong together."""
        request = pb.CreateGroupRequest(name=name, volume_ids=volume_ids)
        return self._call("CreateGroup", request, pb.CreateGroupResponse).group

    def update_group(self, group_id: str, add: Sequence[str], remove: Sequence[str]) -> pb.Group:
        """Take volumes into a group and out of it."""
        request = pb.UpdateGroupRequest(
            group_id=group_id, add_volume_ids=add, remove_volume_ids=remove
        )
        return self._call("UpdateGroup", request, pb.UpdateGroupResponse).group

    def delete_group(self, group_id: str) -> None:
        """Forget a group."""
        self._call("DeleteGroup", pb.DeleteGroupRequest(group_id=group_id), pb.DeleteGroupResponse)

    def snapshot_group(self, group_id: str, name: str) -> pb.GroupSnapshot:
        """Freeze one moment of all volumes of a group."""
        request = pb.SnapshotGroupRequest(group_id=group_id, name=name)
        return self._call("SnapshotGroup", request, pb.SnapshotGroupResponse).group_snapshot

    def group_snapshots(self, backend: str = "") -> Iterator[pb.GroupSnapshot]:
        """All group snapshots, or those of one backend."""
        request = pb.ListGroupSnapshotsRequest(backend=backend)
        answer = self._call("ListGroupSnapshots", request, pb.ListGroupSnapshotsResponse)
        yield from answer.group_snapshots

    def delete_group_snapshot(self, group_snapshot_id: str) -> None:
        """Remove a group snapshot with all its members."""
        request = pb.DeleteGroupSnapshotRequest(group_snapshot_id=group_snapshot_id)
        self._call("DeleteGroupSnapshot", request, pb.DeleteGroupSnapshotResponse)

    def _manageable(
        self, method: str, request: pb.ListManageableRequest
    ) -> Iterator[pb.Manageable]:
        while True:
            answer = self._call(method, request, pb.ListManageableResponse)
            yield from answer.entries
            if not (token := answer.next_token):
                return
            request.starting_token = token

    def _call(self, method: str, request: Message, answer: type[Answer]) -> Answer:
        patience = nullcontext() if self._patience is None else soon(self._patience)
        with _named(), patience:
            raw = self._connection.forward(f"{SERVICE}{method}", request.SerializeToString())
        return answer.FromString(raw)


class ManageClient(ManageCalls):
    """The Manage service of one node, with its streams, over a connection of its own."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(peer)
        self._peer = peer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._peer.close()

    def driver_name(self) -> str:
        """The name of the CSI driver that the node serves."""
        request = csi_pb2.GetPluginInfoRequest()
        with _named():
            raw = self._peer.forward(PLUGIN_INFO, request.SerializeToString())
        return csi_pb2.GetPluginInfoResponse.FromString(raw).name

    def watch(self) -> Iterator[pb.WatchBackendsResponse]:
        """The backends of the node, as they change."""
        with _named():
            yield from self._peer.watch()

    def backends(self) -> pb.WatchBackendsResponse:
        """The backends of the node, as they are."""
        watching = self.watch()
        try:
            return next(watching)
        finally:
            watching.close()  # type: ignore[attr-defined]

    def create_from_image(self, head: pb.ImageHead, image: Iterator[bytes]) -> pb.Volume:
        """Make a volume that begins with the bytes that ``image`` gives, in parts of at most 1 MiB."""
        with _named():
            raw = self._peer.send(f"{SERVICE}CreateVolumeFromImage", _upload(head, image))
        return pb.CreateVolumeFromImageResponse.FromString(raw).volume

    def copy_to_image(self, volume_id: str) -> Iterator[pb.CopyVolumeToImageResponse]:
        """The bytes of a volume: first how many, then they, and last their digest."""
        request = pb.CopyVolumeToImageRequest(volume_id=volume_id)
        with _named():
            for raw in self._peer.stream(
                f"{SERVICE}CopyVolumeToImage", request.SerializeToString()
            ):
                yield pb.CopyVolumeToImageResponse.FromString(raw)


def _upload(head: pb.ImageHead, image: Iterator[bytes]) -> Iterator[bytes]:
    yield pb.CreateVolumeFromImageRequest(head=head).SerializeToString()
    for part in image:
        yield pb.CreateVolumeFromImageRequest(data=part).SerializeToString()


@contextmanager
def _named() -> Iterator[None]:
    try:
        yield
    except Answered as error:
        raise named(error) from None
