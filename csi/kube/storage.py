"""The nodes as the operator asks them: the Manage service of each, over the connections that are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from csi.kube.refusals import Refused, word
from csi.rpc.status import Answered
from csi.spec import manage_pb2 as pb
from drivers.exec import soon

SERVICE = "/hearth.manage.v1.Manage/"
PATIENCE = 60.0
"""Seconds that a node may take for an answer; what takes longer goes on there, and is asked for again."""
PAGE = 500

Answer = TypeVar("Answer", bound=Message)


class Peer(Protocol):
    """The connection: `csi.rpc.peer.Peer`."""

    def forward(self, rpc: str, request: bytes) -> bytes: ...


class Link(Protocol):
    """One node: `csi.router.link.Link`."""

    @property
    def name(self) -> str: ...

    @property
    def peer(self) -> Peer: ...

    @property
    def told(self) -> pb.WatchBackendsResponse | None: ...


class Nodes(Protocol):
    """All of them: `csi.router.nodes.Nodes`."""

    def named(self, name: str) -> Link: ...

    def owner(self, object_id: str) -> Link: ...


class Storage:
    """What one node has. Every method raises `StorageError`, `Answered` where the node refuses."""

    def __init__(self, link: Link) -> None:
        self.node = link.name
        self._link = link

    def backend(self, name: str) -> pb.Backend:
        """The backend of that name, as the node told it last. Raises `Refused`."""
        if self._link.told is None:
            raise Refused("NodeUnavailable", f"node {self.node} has not told its backends yet", 2.0)
        found = [each for each in self._link.told.backends if each.name == name]
        if not found:
            known = ", ".join(each.name for each in self._link.told.backends) or "none"
            raise Refused(
                "ClassMismatch", f"node {self.node} has no backend {name}; it has: {known}"
            )
        return found[0]

    def backend_with(self, backend_id: str) -> pb.Backend:
        """The backend whose ids begin so. Raises `Refused`."""
        for each in self._link.told.backends if self._link.told else ():
            if each.id == backend_id:
                return each
        message = f"node {self.node} does not tell of backend {backend_id}"
        raise Refused("NodeUnavailable", message, 2.0)

    def manage_volume(self, request: pb.ManageVolumeRequest) -> pb.Volume:
        """Adopt; a refusal names what hinders, where the node lists it."""
        try:
            return self._ask("ManageVolume", request, pb.ManageVolumeResponse()).volume
        except Answered as error:
            raise self._named(error, "ListManageableVolumes", request) from error

    def manage_snapshot(self, request: pb.ManageSnapshotRequest) -> pb.Snapshot:
        """Adopt; a refusal names what hinders, where the node lists it."""
        try:
            return self._ask("ManageSnapshot", request, pb.ManageSnapshotResponse()).snapshot
        except Answered as error:
            raise self._named(error, "ListManageableSnapshots", request) from error

    def unmanage_volume(self, request: pb.UnmanageVolumeRequest) -> pb.UnmanageVolumeResponse:
        """Make it a plain one again."""
        return self._ask("UnmanageVolume", request, pb.UnmanageVolumeResponse())

    def unmanage_snapshot(self, request: pb.UnmanageSnapshotRequest) -> pb.UnmanageSnapshotResponse:
        """Make it a plain one again."""
        return self._ask("UnmanageSnapshot", request, pb.UnmanageSnapshotResponse())

    def volumes(self, volume_id: str = "", backend: str = "") -> Iterator[pb.Volume]:
        """All, or the one of that id."""
        request = pb.ListVolumesRequest(backend=backend, volume_id=volume_id, max_entries=PAGE)
        while True:
            page = self._ask("ListVolumes", request, pb.ListVolumesResponse())
            yield from page.volumes
            if not page.next_token:
                return
            request.starting_token = page.next_token

    def snapshots(
        self, volume_id: str = "", snapshot_id: str = "", backend: str = ""
    ) -> Iterator[pb.Snapshot]:
        """All, those of a volume, or the one of that id."""
        request = pb.ListSnapshotsRequest(
            backend=backend, volume_id=volume_id, snapshot_id=snapshot_id, max_entries=PAGE
        )
        while True:
            page = self._ask("ListSnapshots", request, pb.ListSnapshotsResponse())
            yield from page.snapshots
            if not page.next_token:
                return
            request.starting_token = page.next_token

    def manageable(self, what: str, backend: str) -> Iterator[pb.Manageable]:
        """What is in the backend and not Hearth's; ``what`` is ``Volumes`` or ``Snapshots``."""
        request = pb.ListManageableRequest(backend=backend, max_entries=PAGE)
        while True:
            page = self._ask(f"ListManageable{what}", request, pb.ListManageableResponse())
            yield from page.entries
            if not page.next_token:
                return
            request.starting_token = page.next_token

    def orphans(self, backend: str) -> list[pb.Orphan]:
        """What carries Hearth's marks and is nothing finished."""
        request = pb.ListOrphansRequest(backend=backend)
        return list(self._ask("ListOrphans", request, pb.ListOrphansResponse()).orphans)

    def _ask(self, method: str, request: Message, answer: Answer) -> Answer:
        with soon(PATIENCE):
            answer.ParseFromString(
                self._link.peer.forward(SERVICE + method, request.SerializeToString())
            )
        return answer

    def _named(
        self,
        error: Answered,
        listing: str,
        request: pb.ManageVolumeRequest | pb.ManageSnapshotRequest,
    ) -> Answered | Refused:
        """The refusal with the word that the node's list has for it."""
        if error.code.name != "FAILED_PRECONDITION":
            return error
        what = listing.removeprefix("ListManageable")
        for each in self.manageable(what, request.backend):
            if _is_meant(each.reference, request.reference) and not each.safe and each.reason:
                return Refused(word(each.reason), str(error))
        return error


def _is_meant(found: pb.Reference, asked: pb.Reference) -> bool:
    return bool(found.uuid == asked.uuid if asked.uuid else found.name == asked.name)
