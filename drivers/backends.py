"""The backends of this node: whose an id is, and whether a backend may be used now.

A backend that is absent or unwell never stops the others, and comes back by itself: whoever asks for
it sets off another set-up, at most one every few seconds. A set-up runs in a thread of its own, so
that the deadline of the call that happened to ask for it does not cut it short.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from drivers.errors import Absent, Busy, NotFound, StorageError, Unavailable
from drivers.exec import remaining
from drivers.interface import VolumeDriver
from drivers.model import VolumeStats
from drivers.outage import out_of_service

PAUSE = 10.0
"""Seconds from the begin of one set-up of a backend to the next."""
PATIENCE = 3.0
"""Seconds that a call waits for a set-up, if its own deadline leaves as much."""
ID_BYTES = 128  # CSI: "Size limits" of the specification


class Backend:
    """One configured backend: its driver and the outcome of its latest set-up."""

    def __init__(
        self,
        driver: VolumeDriver,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: float = PAUSE,
    ) -> None:
        self.driver = driver
        self.id: str | None = None
        """The backend id, once a set-up has told it. Kept when the backend falls ill later."""
        self.settled = False
        """Whether the first set-up has ended, however it ended."""
        self._clock = clock
        self._pause = pause
        self._guard = threading.Lock()
        self._ended = threading.Event()
        self._ended.set()
        self._next = float("-inf")
        self._trouble: Unavailable | None = Unavailable(
            f"backend {self.name!r} is still being set up; ask again"
        )

    @property
    def name(self) -> str:
        """The name that the node's configuration gave it."""
        return self.driver.name

    def set_up(self) -> threading.Event:
        """Begin a set-up if none is running and one is due; the event is set when none is running."""
        with self._guard:
            if self._ended.is_set() and self._clock() >= self._next:
                self._next = self._clock() + self._pause
                self._ended.clear()
                name = f"set-up {self.name}"
                threading.Thread(target=self._attempt, name=name, daemon=True).start()
        return self._ended

    def trouble(self) -> Unavailable | None:
        """Why the backend may not be used now, or None. Answers from memory."""
        if self._trouble is not None:
            return self._trouble
        try:
            said = self.driver.get_volume_stats({}, refresh=False).unhealthy
        except StorageError as error:
            said = str(error)
        return Unavailable(f"backend {self.name!r} serves nothing: {said}") if said else None

    def use(self) -> VolumeDriver:
        """The driver, set up. Raises `Unavailable` or `Absent`, after a try to set it up again."""
        if (trouble := self.trouble()) is not None:
            self.set_up().wait(_patience())
            trouble = self.trouble()
        if trouble is not None:
            raise type(trouble)(*trouble.args)
        return self.driver

    def close(self) -> None:
        """Let a running set-up end, let no other begin, and stop the driver."""
        with self._guard:
            self._next = float("inf")
        self._ended.wait(PATIENCE)
        self.driver.close()

    def _attempt(self) -> None:
        # What is no StorageError is a bug of the driver: it goes to the log by the thread's hook, and
        # this is what remains of it for callers.
        trouble: Unavailable | None = Unavailable(
            f"the set-up of backend {self.name!r} broke; see the log of this node"
        )
        try:
            self.driver.do_setup()
            self.driver.check_for_setup_error()
            self.id, trouble = self.driver.backend_id, None
        except StorageError as error:
            trouble = self._named(error)
            # What was seen and is not well: its volumes are here, and not to be looked for elsewhere.
            with suppress(StorageError):
                self.id = self.driver.backend_id
        finally:
            self._trouble, self.settled = trouble, True
            self._ended.set()

    def _named(self, error: StorageError) -> Unavailable:
        if isinstance(error, Absent) and self.id is None:
            return Absent(f"backend {self.name!r} is not on this node: {error}")
        # One that was here in the life of this process holds volumes that are away, not gone.
        return Unavailable(f"backend {self.name!r} cannot be used: {error}")


class Backends:
    """All backends of this node, in the order of its configuration."""

    def __init__(self, backends: Sequence[Backend]) -> None:
        self._backends = {each.name: each for each in backends}

    def __iter__(self) -> Iterator[Backend]:
        return iter(self._backends.values())

    @property
    def by_name(self) -> Mapping[str, Backend]:
        """Name to backend."""
        return self._backends

    def start(self) -> None:
        """Begin to set all of them up, and return at once."""
        for backend in self:
            backend.set_up()

    @property
    def settled(self) -> bool:
        """Whether the first set-up of each has ended."""
        return all(backend.settled for backend in self)

    @property
    def complete(self) -> bool:
        """Whether the storage of every backend is known, or known not to be here."""
        return all(each.id is not None or isinstance(each.trouble(), Absent) for each in self)

    def trouble(self, backend: Backend) -> Unavailable | None:
        """As `Backend.trouble`; the second of two backends on one storage is troubled too."""
        return backend.trouble() or self._rival(backend)

    def use(self, backend: Backend) -> VolumeDriver:
        """As `Backend.use`, for a backend that has its storage for itself."""
        driver = backend.use()
        if rival := self._rival(backend):
            raise rival
        return driver

    def usable(self) -> Sequence[VolumeDriver]:
        """The drivers that can be asked now, without waiting; the others are set up in the background."""
        usable = []
        for backend in self:
            if self.trouble(backend) is None:
                usable.append(backend.driver)
            else:
                backend.set_up()
        return usable

    def all(self) -> Sequence[VolumeDriver]:
        """The drivers of all backends whose storage is on this node.

        Raises `Unavailable` if any cannot tell: a list with a hole would say that volumes are gone.
        """
        drivers = []
        for backend in self:
            try:
                drivers.append(self.use(backend))
            except Absent:
                continue
        return drivers

    def of(self, object_id: str) -> VolumeDriver:
        """The usable driver of the backend that an id names.

        Raises `NotFound` for what cannot be an id of ours, and `Unavailable` if no backend here has
        that backend id, or the one that has is unwell.
        """
        return self.use(self.owner(object_id))

    def owner(self, object_id: str) -> Backend:
        """As `of`, for whatever state the backend is in."""
        backend_id = backend_id_of(object_id)
        if (found := self._owner(backend_id)) is None:
            self._set_up_unknown()
            found = self._owner(backend_id)
        if found is None:
            raise Unavailable(
                f"no backend of this node has the id {backend_id}, which {object_id} begins with: its"
                f" disks are on another node or away (backends here: {', '.join(self._backends)})"
            )
        return found

    def stats(
        self, backend: Backend, options: Mapping[str, str], *, refresh: bool
    ) -> VolumeStats | None:
        """What the backend tells for ``options``, or None while it serves nothing; never waits.

        ``refresh`` as in `VolumeDriver.get_volume_stats`. Raises `Invalid` for options that do not fit.
        """
        if self.trouble(backend) is not None:
            backend.set_up()
            return None
        try:
            return backend.driver.get_volume_stats(options, refresh=refresh)
        except (Busy, Unavailable):
            return None

    def told(self) -> Iterator[tuple[str, VolumeStats]]:
        """Each name with what the backend tells from memory; without room while it serves nothing."""
        for backend in self:
            yield backend.name, self._told(backend)

    def close(self) -> None:
        """Stop the background work of all, at once: whoever ends the process does not wait for ever."""
        with ThreadPoolExecutor(len(self._backends) or 1, "close") as threads:
            for closed in [threads.submit(backend.close) for backend in self]:
                closed.result()

    def _told(self, backend: Backend) -> VolumeStats:
        trouble = self.trouble(backend)
        try:
            known = backend.driver.get_volume_stats({}, refresh=False)
        except StorageError as error:
            return out_of_service(backend.driver, trouble or error)
        return known if trouble is None else out_of_service(backend.driver, trouble, known)

    def _rival(self, backend: Backend) -> Unavailable | None:
        if (first := self._owner(str(backend.id))) in (None, backend):
            return None
        return Unavailable(
            f"backend {backend.name!r} is on the storage of backend {first.name!r} ({backend.id}):"
            " remove one of them from the configuration"
        )

    def _owner(self, backend_id: str) -> Backend | None:
        return next((each for each in self if each.id == backend_id), None)

    def _set_up_unknown(self) -> None:
        begun = [backend.set_up() for backend in self if backend.id is None]
        for ended in begun:
            ended.wait(_patience())


def is_id(text: str) -> bool:
    """Whether ``text`` can be the id of an object of ours: ``<backend id>.<object id>``."""
    # Letters of ids are printable ASCII without "/": an id is put into paths and messages.
    return bool(re.fullmatch(r"[A-Za-z0-9]+\.[!-.0-~]+", text)) and len(text) <= ID_BYTES


def backend_id_of(object_id: str) -> str:
    """The part of an id that names the backend. Raises `NotFound` for what is no id of ours."""
    if not is_id(object_id):
        raise NotFound(f"there is no {object_id!r}: ids look like <backend id>.<object id> here")
    return object_id.partition(".")[0]


def _patience() -> float:
    left = remaining()
    return PATIENCE if left is None else min(PATIENCE, left / 2)
