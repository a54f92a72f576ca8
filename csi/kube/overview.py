"""The Backend objects: one for each node and backend, kept as the nodes tell.

What a node says of its backends comes over a stream that is kept; here a thread looks at what came last,
lists a backend anew when its revision says that something is in it that was not, and writes where the
object says something else. Numbers that always change are written once a minute at most.

An object goes when its node tells its backends and that one is not among them, or when the node is no
longer announced and Kubernetes has no such node any more. A node that is only away keeps its objects.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from csi.kube import backends
from csi.kube.api import Absent, Refusal, Silent
from csi.kube.backends import Listing
from csi.kube.client import Object
from csi.kube.kinds import BACKEND, NODE
from csi.kube.leftovers import Comparison, Known
from csi.kube.notices import Notices
from csi.kube.refusals import Refused
from csi.kube.storage import Storage
from csi.kube.world import World
from csi.spec import manage_pb2 as pb
from drivers.errors import StorageError

log = logging.getLogger(__name__)


class Link(Protocol):
    """One node: `csi.router.link.Link`."""

    name: str
    connected: bool
    told: pb.WatchBackendsResponse | None

    def whereabouts(self) -> str: ...


class Nodes(Protocol):
    """All of them: `csi.router.nodes.Nodes`."""

    def known(self) -> Sequence[Any]: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: between two looks, two lists, two writes of a backend, and two of its numbers alone."""

    look: float = 1.0
    relist: float = 300.0
    write: float = 5.0
    numbers: float = 60.0


@dataclass(slots=True)
class Shown:
    """What is known of one Backend object."""

    found: Object
    listing: Listing = field(default_factory=Listing)
    revision: str | None = None
    """Of the list; None before the first one."""
    listed: float = 0.0
    again: float = float("-inf")
    """Until when no list is asked for, after one that failed."""
    written: float = float("-inf")


class Overview:
    """Keeps the Backend objects from `start` until `close`."""

    def __init__(
        self,
        world: World,
        nodes: Nodes,
        pace: Pace = Pace(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._world = world
        self._nodes = nodes
        self._pace = pace
        self._clock = clock
        self._comparison = Comparison(world.driver)
        self._notices = Notices(world.events)
        self._shown: dict[tuple[str, str], Shown] | None = None
        self._known: Known | None = None
        self._announced = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="overview", daemon=True)
        self._waiting: dict[tuple[str, str], float] = {}
        """Until when a backend waits that could not be told."""
        self._ended = False

    def start(self) -> None:
        """Begin, in a thread of its own."""
        self._thread.start()

    def announced(self) -> None:
        """It is known which nodes there are; before, none is taken for gone."""
        self._announced.set()

    def close(self) -> None:
        """Write nothing any more."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def alive(self) -> bool:
        """False if it has ended and nobody asked it to: then everything it shows stays as it is."""
        return not self._ended or self._closed.is_set()

    def orphans(self) -> Mapping[tuple[str, ...], int]:
        """How many are left over, by backend, node and kind; nothing of what is not listed yet."""
        counted: Counter[tuple[str, ...]] = Counter()
        for (node, backend), shown in list((self._shown or {}).items()):
            if shown.revision is None:
                continue
            counted[backend, node, "lost"] += len(shown.listing.lost)
            for kind in ("unfinished", "volume", "snapshot"):
                each = [one for one in shown.listing.leftovers if one.kind == kind]
                counted[backend, node, kind] += len(each)
        return counted

    def _run(self) -> None:
        try:
            self._look_on()
        finally:
            self._ended = True

    def _look_on(self) -> None:
        told = ""
        while not self._closed.wait(self._pace.look):
            try:
                self.look()
                told = ""
            except (Refusal, Silent, StorageError, Refused) as error:
                if str(error) != told:
                    log.warning("the backends cannot be told: %s", error)
                told = str(error)

    def look(self) -> None:
        """Compare everything once. Raises `Refusal` and `Silent` where nothing can be told."""
        if self._shown is None:
            self._shown = self._found()
        self._known = None
        seen = set()
        links = {each.name: each for each in self._nodes.known()}
        for link in links.values():
            for told in link.told.backends if link.told else ():
                seen.add((link.name, told.name))
                self._try((link.name, told.name), partial(self._show, link, told))
        if self._announced.is_set():
            for key in [each for each in self._shown if each not in seen]:
                self._try(key, partial(self._miss, key, links.get(key[0])))

    def _try(self, key: tuple[str, str], tell: Callable[[], None]) -> None:
        """Tell of one backend; where that is refused it waits for a while, and the others do not."""
        if self._clock() < self._waiting.get(key, 0.0):
            return
        try:
            tell()
        except (Refusal, StorageError, Refused) as error:
            log.warning("backend %s of node %s cannot be told: %s", key[1], key[0], error)
            pause = error.again if isinstance(error, Refused) else self._pace.numbers
            self._waiting[key] = self._clock() + pause
        except Silent:
            raise
        except Exception:  # one backend that nobody thought of must not hide all others
            log.exception("backend %s of node %s cannot be told", key[1], key[0])
            self._waiting[key] = self._clock() + self._pace.numbers

    def _found(self) -> dict[tuple[str, str], Shown]:
        """The objects that an earlier life has written."""
        mine = [
            each
            for each in self._world.api.list(BACKEND)
            if each["spec"].get("driver") == self._world.driver
        ]
        return {(each["spec"]["node"], each["spec"]["backend"]): Shown(each) for each in mine}

    def _show(self, link: Link, told: pb.Backend) -> None:
        shown = self._object(link.name, told.name)
        before = shown.found.get("status") or {}
        if not link.connected:
            self._write(shown, backends.away(before, link.whereabouts()))
            return
        if self._is_stale(shown, told):
            self._list(shown, Storage(link), told)  # type: ignore[arg-type]
        listing = None if shown.revision is None else shown.listing
        self._write(shown, backends.status(told, listing, before))

    def _object(self, node: str, backend: str) -> Shown:
        shown = self._shown
        assert shown is not None  # noqa: S101 - look() has seen to it
        if (node, backend) not in shown:
            wanted = backends.document(node, backend, self._world.driver)
            shown[node, backend] = Shown(self._world.create(BACKEND, wanted))
        return shown[node, backend]

    def _is_stale(self, shown: Shown, told: pb.Backend) -> bool:
        return bool(
            told.id
            and not told.unhealthy
            and self._clock() >= shown.again
            and (
                shown.revision != told.revision or self._clock() - shown.listed >= self._pace.relist
            )
        )

    def _list(self, shown: Shown, storage: Storage, told: pb.Backend) -> None:
        if self._known is None:
            self._known = self._comparison.known(self._world.api)
        before = shown.listing
        # Somebody may have changed or deleted it: then it is written anew.
        found = self._world.api.get(BACKEND, shown.found["metadata"]["name"])
        shown.found = found or {**shown.found, "status": {}}
        try:
            status = shown.found.get("status") or {}
            shown.listing = self._comparison.listed(storage, told, self._known, status)
        except (StorageError, Refused) as error:
            log.warning("backend %s of %s is not listed: %s", told.name, storage.node, error)
            # What was listed before stays told; a lock that somebody held is free again soon.
            shown.again = self._clock() + self._pace.write
            return
        shown.revision, shown.listed = told.revision, self._clock()
        self._notices.listed(shown.found, before, shown.listing)

    def _write(self, shown: Shown, status: Object) -> None:
        before = shown.found.get("status") or {}
        change = backends.cleared(before, status)
        pause = self._pace.write if backends.is_loud(change) else self._pace.numbers
        if not change or self._clock() - shown.written < pause:
            return
        name = shown.found["metadata"]["name"]
        try:
            patched = self._world.api.patch(BACKEND, name, {"status": change}, sub="status")
        except Absent:
            # Somebody deleted it: the next look makes it anew.
            self._forget(shown)
            return
        shown.found, shown.written = patched, self._clock()
        self._notices.written(patched, before)

    def _forget(self, shown: Shown) -> None:
        self._shown = {key: each for key, each in (self._shown or {}).items() if each is not shown}

    def _miss(self, key: tuple[str, str], link: Link | None) -> None:
        """An object whose backend nobody tells of."""
        shown = (self._shown or {})[key]
        if link is not None:
            if link.connected and link.told and link.told.complete:
                self._remove(shown)
            elif not link.connected:
                before = shown.found.get("status") or {}
                self._write(shown, backends.away(before, link.whereabouts()))
        elif self._clock() - shown.listed >= self._pace.numbers or not shown.listed:
            shown.listed = self._clock()
            if self._world.api.get(NODE, key[0]) is None:
                self._remove(shown)
            else:
                self._write(shown, backends.away(shown.found.get("status") or {}, "no pod there"))

    def _remove(self, shown: Shown) -> None:
        self._world.api.delete(BACKEND, shown.found)
        self._forget(shown)
