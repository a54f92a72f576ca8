"""What is on the disk: one folder per finished object, and renames as the only commits.

::

    backend                    the backend's id, made once
    volumes/NAME.ID/           record.json and the file with the bytes that it names
    snapshots/NAME.ID/         the same
    making/SHELF-NAME/         in work; its owner's lock on the folder ends with the process
    deleting/NAME.ID/          on its way out

``NAME`` is a hash of the caller's name and ``ID`` random, so an object is found by either with one look
at the folder. A folder moves from ``making`` to its place when it is complete and durable; later changes
replace ``record.json`` as a whole. So a crash leaves the old state or the new one, and rubbish in
``making`` and ``deleting`` that `tidy` takes away.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from drivers.errors import Busy, Unavailable
from drivers.loop import durable
from drivers.loop.records import Record

RECORD = "record.json"
MAKING = "making"
DELETING = "deleting"
BLOCK = 512  # the unit of st_blocks, whatever the filesystem's own is
Kind = TypeVar("Kind", bound=Record)


@dataclass(frozen=True, slots=True)
class Entry(Generic[Kind]):
    """A finished object: its folder, its record, and its file's size and blocks in bytes."""

    folder: Path
    record: Kind
    size: int
    allocated: int

    @property
    def file(self) -> Path:
        """The file with the object's bytes."""
        return self.folder / self.record.file


class Shelf(Generic[Kind]):
    """The objects of one kind under the backend's directory."""

    def __init__(self, directory: Path, name: str, kind: type[Kind]) -> None:
        self._folder = directory / name
        self._making = directory / MAKING
        self._deleting = directory / DELETING
        self._decoder = msgspec.json.Decoder(kind)

    def entries(self) -> list[Entry[Kind]]:
        """All objects, by id."""
        found = (self._read(folder) for folder in self._folder.iterdir())
        return sorted((each for each in found if each), key=lambda each: each.record.id)

    def find(self, name: str) -> Entry[Kind] | None:
        """The object that was made under ``name``, or None."""
        prefix = f"{hash_of(name)}."
        return self._only([each for each in self._names() if each.startswith(prefix)])

    def get(self, object_id: str) -> Entry[Kind] | None:
        """The object of that id (without the backend's), or None."""
        return self._only([each for each in self._names() if each.partition(".")[2] == object_id])

    def has_begun(self, name: str) -> bool:
        """Whether an object ``name`` is there, or being made."""
        # In this order: one that is put meanwhile is seen in one place or the other.
        return self._workshop(name).exists() or self.find(name) is not None

    @contextmanager
    def claim(self, name: str) -> Iterator[Path]:
        """An empty folder in which to make the object ``name``; gone afterwards unless it was put.

        Raises `Busy` while anybody, in this process or another, holds the claim.
        """
        folder = self._workshop(name)
        folder.mkdir(mode=0o700, exist_ok=True)
        with durable.locked(folder) as still_there:
            durable.empty(folder)
            try:
                yield folder
            finally:
                # After a `put` the next claim may have made a folder of that name.
                if still_there():
                    durable.discard(folder)

    def put(self, made: Path, record: Kind) -> Entry[Kind]:
        """Commit what was made in a claimed folder. Its file must be durable already."""
        durable.write_file(made / RECORD, msgspec.json.encode(record))
        folder = self._folder / f"{hash_of(record.name)}.{record.id}"
        made.rename(folder)
        durable.sync_folder(self._folder)
        return self._certain(folder)

    def replace(self, entry: Entry[Kind], record: Kind) -> Entry[Kind]:
        """Commit another record of the object, durably."""
        durable.write_file(entry.folder / RECORD, msgspec.json.encode(record))
        return self._certain(entry.folder)

    def remove(self, entry: Entry[Kind]) -> None:
        """Make the object absent at once, then give its blocks back."""
        doomed = self._deleting / entry.folder.name
        entry.folder.rename(doomed)
        durable.sync_folder(self._folder)
        durable.discard(doomed)

    def sweep(self, folder: Path) -> None:
        """Remove files of an object that its record does not name. Its lock must be held."""
        entry = self._certain(folder)
        for file in folder.iterdir():
            if file.name not in (RECORD, entry.record.file):
                file.unlink(missing_ok=True)

    def sweep_all(self) -> None:
        """`sweep` every object that nobody is working on."""
        for entry in self.entries():
            with suppress(Busy), durable.locked(entry.folder):
                self.sweep(entry.folder)

    def _workshop(self, name: str) -> Path:
        return self._making / f"{self._folder.name}-{hash_of(name)}"

    def _names(self) -> list[str]:
        return [folder.name for folder in self._folder.iterdir()]

    def _only(self, names: list[str]) -> Entry[Kind] | None:
        if len(names) > 1:
            both = " and ".join(names)
            raise Unavailable(f"{both} in {self._folder} claim to be one object: remove one")
        return self._read(self._folder / names[0]) if names else None

    def _certain(self, folder: Path) -> Entry[Kind]:
        if (entry := self._read(folder)) is None:
            raise Unavailable(f"{folder} was taken away by somebody else")
        return entry

    def _read(self, folder: Path) -> Entry[Kind] | None:
        """The object in ``folder``; None if the folder has gone, an error if it makes no sense."""
        try:
            record = self._decoder.decode((folder / RECORD).read_bytes())
            status = (folder / record.file).stat()
        except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError) as e:
            if not folder.exists():
                return None
            raise Unavailable(f"{folder} is damaged ({e}): restore it, or move it away") from e
        return Entry(folder, record, status.st_size, status.st_blocks * BLOCK)


def hash_of(name: str) -> str:
    """A file name for any name: 128 bits are enough to tell names apart, and fit everywhere."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def tidy(directory: Path) -> None:
    """Make the folders that are missing, and take away what crashes left in work."""
    for name in ("volumes", "snapshots", MAKING, DELETING):
        (directory / name).mkdir(mode=0o700, exist_ok=True)
    durable.sync_folder(directory)
    for doomed in (directory / DELETING).iterdir():
        durable.discard(doomed)
    for left in (directory / MAKING).iterdir():
        with suppress(Busy), durable.locked(left):
            durable.discard(left)
