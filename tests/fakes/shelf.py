"""Objects of one kind by id, with their names and bytes: what a backend would keep on its disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from drivers.errors import NotFound
from drivers.model import Snapshot, Volume
from tests.fakes.anonymous import Anonymous

Record = TypeVar("Record", Volume, Snapshot)


@dataclass(slots=True)
class Held(Generic[Record]):
    """An object with the name it was made under and its bytes."""

    record: Record
    name: str
    bytes: Anonymous


class Shelf(Generic[Record]):
    """The objects of one kind, by id."""

    def __init__(self) -> None:
        self._held: dict[str, Held[Record]] = {}

    def put(self, record: Record, name: str, content: Anonymous) -> Record:
        self._held[record.id] = Held(record, name, content)
        return record

    def get(self, object_id: str) -> Held[Record]:
        if object_id not in self._held:
            raise NotFound(f"there is no {object_id}")
        return self._held[object_id]

    def keep(self, record: Record) -> Record:
        self.get(record.id).record = record
        return record

    def drop(self, object_id: str) -> None:
        self._held.pop(object_id, None)

    def find(self, name: str) -> Record | None:
        return next((each.record for each in self._held.copy().values() if each.name == name), None)

    def all(self) -> list[Record]:
        held = self._held.copy().values()
        return sorted((each.record for each in held), key=lambda each: each.id)
