"""The nodes, and which of them has which backend.

Each node tells its backends over one kept stream, at once and whenever they change, so that nobody has to
ask. A node that goes quiet keeps what it told last: its volumes are away, not gone. An id that two nodes
claim belongs to neither, until one of them gives it up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from csi.router.link import Connect, Link
from csi.router.names import some
from drivers.backends import backend_id_of, is_id
from drivers.errors import Precondition, Unavailable
from drivers.exec import remaining

log = logging.getLogger(__name__)

PATIENCE = 3.0
"""Seconds that a call waits for a node that has not told yet, if its own deadline leaves as much."""
MEMORY = 300.0
"""Seconds that a node which is no longer announced is missed, and lists are refused without it."""


class Nodes:
    """All nodes that are announced, and those that were a moment ago."""

    def __init__(self, connect: Connect, clock: Callable[[], float] = time.monotonic) -> None:
        """``connect`` opens the connection to a node by its name and address."""
        self._connect = connect
        self._clock = clock
        self._changed = threading.Condition()
        self._links: dict[str, Link] = {}
        self._missed: dict[str, tuple[Link, float]] = {}
        self._known = False
        self._owners: Mapping[str, Sequence[Link]] | None = None
        """Who claims which backend; None if that has to be looked at again."""

    def announce(self, addresses: Mapping[str, str]) -> None:
        """These are the nodes from now on, by name, and where they listen."""
        with self._changed:
            self._known = True
            for name, link in list(self._links.items()):
                if addresses.get(name) != link.address:
                    self._drop(link)
            for name in sorted(addresses.keys() - self._links.keys()):
                link = Link(self._connect(name, addresses[name]), self._tell)
                # One that cannot be listened to is not known, so that the next announcement begins it anew.
                link.start()
                self._links[name] = link
                self._missed.pop(name, None)
            self._look_again()

    def everywhere(self) -> Sequence[Link]:
        """All nodes in the order of their names.

        Raises `Unavailable`, naming it, for one that is away: without it a list would have a hole. And
        while it is not known yet which nodes there are: an empty list would be one hole.
        """
        self._wait(lambda: self._known)
        if not self._known:
            raise Unavailable(
                "this controller does not know the nodes yet: the Kubernetes API has not told it their"
                " EndpointSlices; its log says why"
            )
        self._wait(lambda: all(each.connected for each in self._links.values()))
        for link in self.away():
            raise Unavailable(f"{link.whereabouts()}; what is on it would be missed")
        return self.known()

    def known(self) -> Sequence[Link]:
        """All nodes that are announced, well or not, in the order of their names."""
        with self._changed:
            return [self._links[name] for name in sorted(self._links)]

    def alive(self) -> bool:
        """Whether every node that is announced is listened to, or tried to be."""
        return all(each.alive() for each in self.known())

    def connected(self) -> Sequence[tuple[str, bool]]:
        """The name of each node that is announced, and whether it answers."""
        return [(each.name, each.connected) for each in self.known()]

    def away(self) -> Sequence[Link]:
        """Those without which lists are refused: they do not answer, or have left a moment ago."""
        with self._changed:
            away = [each for each in self._links.values() if not each.connected]
            now = self._clock()
            gone = [link for link, since in self._missed.values() if now - since < MEMORY]
        return away + gone

    def calls(self) -> Mapping[tuple[str, ...], int]:
        """How many calls were passed on, by node, method and code."""
        return {
            (each.name, *what): count
            for each in self.known()
            for what, count in each.peer.calls().items()
        }

    def named(self, name: str) -> Link:
        """The node of that name; raises `Unavailable` if none is announced."""
        self._wait(lambda: name in self._links)
        with self._changed:
            if (link := self._links.get(name)) is None:
                raise Unavailable(
                    f"no Hearth runs on node {name}: its pod is not there, or not announced yet"
                    f" (nodes: {some(self._links)})"
                )
            return link

    def owner(self, object_id: str) -> Link:
        """The node that has the backend which an id names.

        Raises `NotFound` for what is no id, `Precondition` if two nodes claim the backend, and
        `Unavailable` if the one that has it is away or none is known.
        """
        backend_id = backend_id_of(object_id)
        self._wait(lambda: self._claimants(backend_id) or self._all_told())
        with self._changed:
            claimants = self._claimants(backend_id)
        if len(claimants) > 1:
            both = " and ".join(each.name for each in claimants)
            raise Precondition(
                f"nodes {both} both report backend {backend_id}: disks of one volume group are seen by"
                " two nodes; nothing is done with it until one of them gives it up"
            )
        if claimants:
            return claimants[0]
        raise Unavailable(self._nobody(backend_id, object_id))

    def is_gone(self, object_id: str, lost: Collection[str]) -> bool:
        """Whether nothing has to be deleted: what is no id of ours, and what of the ``lost`` is not back.

        A node that is silent may have the backend again, and whoever believed that it has not would leave
        its volumes behind for ever. So raises `Unavailable`, naming them, until all nodes have told.
        """
        if not is_id(object_id):
            return True
        backend_id = backend_id_of(object_id)
        return backend_id in lost and not self._reports(backend_id)

    def close(self) -> None:
        """Hang up everywhere."""
        self.announce({})

    def _reports(self, backend_id: str) -> bool:
        self._wait(lambda: self._claimants(backend_id) or self._all_told())
        # One moment for both questions: a node that is announced anew meanwhile has told nothing.
        with self._changed:
            if any(each.has(backend_id) for each in self._links.values()):
                return True
            silent = {each.name for each in self.away()} | self._incomplete()
            if silent or not self._known:
                who = f"not yet: {some(silent)}" if silent else "the nodes are not known yet"
                raise Unavailable(
                    f"backend {backend_id} is in router.lostBackends, and counts as lost when every node"
                    f" has told what it has ({who}). One that will not come back is to be removed with"
                    " `kubectl delete node`"
                )
            return False

    def _incomplete(self) -> set[str]:
        return {each.name for each in self._links.values() if not each.complete}

    def _claimants(self, backend_id: str) -> Sequence[Link]:
        if self._owners is None:
            self._owners = _by_backend(self._links.values())
        return self._owners.get(backend_id, ())

    def _all_told(self) -> bool:
        told = all(each.connected and each.complete for each in self._links.values())
        return self._known and told

    def _nobody(self, backend_id: str, object_id: str) -> str:
        with self._changed:
            everybody = [*self._links.values(), *(link for link, _ in self._missed.values())]
        for link in everybody:
            if link.has(backend_id):
                return f"{object_id} is on node {link.name}: {link.whereabouts()}"
        return (
            f"no node reports backend {backend_id}, which {object_id} begins with: its disks or their"
            " node are away. If they are lost for good, put the id into router.lostBackends"
        )

    def _drop(self, link: Link) -> None:
        del self._links[link.name]
        if link.told:
            self._missed[link.name] = (link, self._clock())
        # Its thread may be about to tell, which needs the lock that is held here.
        threading.Thread(target=link.close, name=f"leave {link.name}", daemon=True).start()

    def _tell(self) -> None:
        with self._changed:
            self._look_again()

    def _look_again(self) -> None:
        self._owners = None
        self._changed.notify_all()

    def _wait(self, is_so: Callable[[], object]) -> None:
        left = remaining()
        patience = PATIENCE if left is None else min(PATIENCE, left / 2)
        with self._changed:
            self._changed.wait_for(lambda: bool(is_so()), patience)


def _by_backend(links: Iterable[Link]) -> Mapping[str, Sequence[Link]]:
    found: dict[str, list[Link]] = {}
    for link in links:
        for backend_id in link.ids if link.connected else ():
            found.setdefault(backend_id, []).append(link)
    return found
