"""The directory of a backend as a whole: whose it is, what is in it, and what may still be promised."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from drivers.errors import Absent, Exhausted, Unavailable
from drivers.loop import copying, durable, shelf
from drivers.loop.options import Options
from drivers.loop.records import SnapshotRecord, VolumeRecord
from drivers.loop.room import Room, round_down, survey
from drivers.loop.shelf import Shelf

BACKEND = "backend"
NOT_FOREIGN = re.compile(rf"lost\+found|\.{BACKEND}\..*")


class Home:
    """The state of a loop backend. Usable after `settle`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.volumes = Shelf(options.directory, "volumes", VolumeRecord)
        self.snapshots = Shelf(options.directory, "snapshots", SnapshotRecord)
        self.shares = False
        """Whether copies share blocks with their source."""
        self.room = Room()
        """What was left at the last look."""
        self._id = ""
        self._guard = threading.Lock()
        self._promises: dict[object, int] = {}

    @property
    def id(self) -> str:
        """The backend id; raises `Unavailable` before it is known."""
        if not self._id:
            raise Unavailable(f"the backend in {self.options.directory} is not set up")
        return self._id

    def settle(self) -> None:
        """Take the directory, or take it up again, and clear away what a crash left.

        Raises `Absent` without the directory, and `Unavailable` if it is not, or no longer, ours.
        """
        directory = self.options.directory
        if not directory.is_dir():
            raise Absent(f"there is no directory {directory}: make it, or mount its filesystem")
        if self.options.own_mount and not directory.is_mount():
            raise Unavailable(f"nothing is mounted at {directory}: mount the backend's filesystem")
        self._id = self._identify(directory)
        shelf.tidy(directory)
        self.volumes.sweep_all()
        self.shares = self.options.reflink != "never" and copying.can_share(directory)
        self.look()

    def look(self) -> Room:
        """Survey the room again, less what is promised to work under way."""
        with self._guard:
            return self._look()

    @contextmanager
    def promise(self, size: int) -> Iterator[None]:
        """Set ``size`` bytes aside for the block; raises `Exhausted` if they are not there."""
        ticket = object()
        with self._guard:
            if size > (free := self._look().free):
                raise Exhausted(
                    f"{size} bytes are needed under {self.options.directory}, {free} are free:"
                    " delete something, or give the backend more"
                )
            self._promises[ticket] = size
        try:
            yield
        finally:
            with self._guard:
                del self._promises[ticket]
                self._look()

    def _look(self) -> Room:
        volumes, snapshots = self.volumes.entries(), self.snapshots.entries()
        found = survey(self.options.directory, self.options, volumes, snapshots)
        free = round_down(max(0, found.free - sum(self._promises.values())))
        self.room = replace(found, free=free)
        return self.room

    def _identify(self, directory: Path) -> str:
        file = directory / BACKEND
        if not file.exists():
            names = sorted(each.name for each in directory.iterdir())
            if foreign := [name for name in names if not NOT_FOREIGN.fullmatch(name)]:
                raise Unavailable(
                    f"{directory} holds other things ({', '.join(foreign[:3])}) and no backend:"
                    " give an empty directory"
                )
            durable.write_once(file, uuid.uuid4().hex.encode())
        found = file.read_text(encoding="ascii", errors="replace")
        if not re.fullmatch(r"[0-9a-f]{32}", found):
            raise Unavailable(f"{file} holds no backend id: restore it from a copy")
        return found
