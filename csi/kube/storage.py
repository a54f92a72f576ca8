"""The nodes as the operator asks them: the Manage service of each, over the connections that are kept."""

from __future__ import annotations

from typing import Protocol

from csi.kube.refusals import SOON, Refused
from csi.manage.client import PAGE, Connection, ManageCalls
from csi.router.names import some
from csi.spec import manage_pb2 as pb

PATIENCE = 60.0
"""Seconds that a node may take for an answer; what takes longer goes on there, and is asked for again."""


class Link(Protocol):
    """One node: `csi.router.link.Link`."""

    @property
    def name(self) -> str: ...

    @property
    def peer(self) -> Connection: ...

    @property
    def told(self) -> pb.WatchBackendsResponse | None: ...


class Nodes(Protocol):
    """All of them: `csi.router.nodes.Nodes`."""

    def named(self, name: str) -> Link: ...

    def owner(self, object_id: str) -> Link: ...


class Storage:
    """What one node has: ``service`` answers for what is in its backends, the rest is what it told last."""

    def __init__(self, link: Link) -> None:
        self.node = link.name
        self.service = ManageCalls(link.peer, PATIENCE)
        self._link = link

    def backend(self, name: str) -> pb.Backend:
        """The backend of that name. Raises `Refused`."""
        if self._link.told is None:
            message = f"node {self.node} has not told its backends yet"
            raise Refused("NodeUnavailable", message, SOON)
        found = [each for each in self._link.told.backends if each.name == name]
        if not found:
            known = some([each.name for each in self._link.told.backends])
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
        raise Refused("NodeUnavailable", message, SOON)


def all_of(backend: pb.Backend) -> pb.ListManageableRequest:
    """The question for everything in a backend that is not Hearth's."""
    return pb.ListManageableRequest(backend=backend.name, max_entries=PAGE)
