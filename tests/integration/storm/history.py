"""What the clients of a storm were told, and the contradictions in it.

Whatever the order in which the service served calls that overlapped, some facts must hold: what was
acknowledged is seen by whoever asks later, and what was deleted is never seen again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

OK = "OK"
AGAIN = frozenset({"ABORTED", "UNAVAILABLE", "DEADLINE_EXCEEDED"})
"""What a caller repeats."""

EXPECTED = {
    "CreateVolume": {"ALREADY_EXISTS", "NOT_FOUND", "OUT_OF_RANGE"},
    "DeleteVolume": {"FAILED_PRECONDITION"},
    "CreateSnapshot": {"ALREADY_EXISTS", "NOT_FOUND"},
    "DeleteSnapshot": {"FAILED_PRECONDITION"},
    "ControllerExpandVolume": {"NOT_FOUND", "FAILED_PRECONDITION"},
    "NodeStageVolume": {"NOT_FOUND"},
    "NodeUnstageVolume": set(),
    "ListVolumes": set(),
    "ListSnapshots": set(),
    "GetCapacity": set(),
}
"""The codes that each call may end with, beside OK and those of `AGAIN`."""


@dataclass(frozen=True, slots=True)
class Event:
    """One call. ``start`` and ``end`` are of the one monotonic clock, ``ids`` what the answer tells.

    ``key`` is the name or the id that the call was about, ``request`` its bytes in hex.
    """

    method: str
    key: str
    request: str
    code: str
    message: str
    ids: tuple[str, ...]
    start: float
    end: float


def write(path: Path, events: Iterable[Event]) -> None:
    """Keep what a client was told, one call a line."""
    path.write_text("".join(json.dumps(asdict(event)) + "\n" for event in events))


def read(paths: Iterable[Path]) -> list[Event]:
    """What all clients were told, in the order of the answers."""
    rows = [json.loads(line) for path in paths for line in path.read_text().splitlines()]
    events = [Event(**{**row, "ids": tuple(row["ids"])}) for row in rows]
    return sorted(events, key=lambda event: event.end)


def counted(events: Iterable[Event]) -> str:
    """How often each call ended with each code, for people."""
    counts = Counter((event.method, event.code) for event in events)
    return "\n".join(
        f"{count:6} {method} {code}" for (method, code), count in sorted(counts.items())
    )


def unexpected(events: Iterable[Event]) -> list[str]:
    """The calls that ended as no call should: a bug, or a failure that nobody has a name for."""
    return [
        f"{event.method} {event.key}: {event.code} {event.message}"
        for event in events
        if event.code not in {OK, *AGAIN, *EXPECTED[event.method]}
        or (event.code == "UNAVAILABLE" and "exited with" in event.message)
    ]


def contradictions(events: Sequence[Event]) -> Iterator[str]:
    """The sentences that cannot all be true."""
    for create, delete, listing in (
        ("CreateVolume", "DeleteVolume", "ListVolumes"),
        ("CreateSnapshot", "DeleteSnapshot", "ListSnapshots"),
    ):
        created = [each for each in events if each.method == create and each.code == OK]
        deletes = [each for each in events if each.method == delete]
        lists = [each for each in events if each.method == listing and each.code == OK]
        refused = [
            each for each in events if each.method == create and each.code == "ALREADY_EXISTS"
        ]
        yield from _twins(created, deletes)
        grown = [each for each in events if each.method == "ControllerExpandVolume"]
        yield from _refusals(created, refused, [*deletes, *grown])
        yield from _revenants(created, lists, [each for each in deletes if each.code == OK])
        yield from _losses(created, lists, deletes)


def _twins(created: Sequence[Event], deletes: Sequence[Event]) -> Iterator[str]:
    """One name with two ids although nobody asked to delete either in between."""
    for one in created:
        for other in created:
            if one.key == other.key and one.ids != other.ids and one.end <= other.start:
                asked = [each for each in deletes if each.key in one.ids and each.start < other.end]
                if not asked:
                    yield f"{one.key!r} was {one.ids} and is {other.ids}, and nobody deleted it"


def _refusals(
    created: Sequence[Event], refused: Sequence[Event], changes: Sequence[Event]
) -> Iterator[str]:
    """A call that was served, and is refused when repeated although nobody asked to delete or grow.

    A volume that has grown is above the limit of the call that made it.
    """
    for one in created:
        for other in refused:
            if (one.key, one.request) == (other.key, other.request) and one.end <= other.start:
                asked = [each for each in changes if each.key in one.ids and each.start < other.end]
                if not asked:
                    yield f"{one.key!r} was served as {one.ids}, and is refused: {other.message}"


def _revenants(
    created: Sequence[Event], lists: Sequence[Event], deleted: Sequence[Event]
) -> Iterator[str]:
    """An id that was told after its deletion had been acknowledged."""
    ends = {event.key: event.end for event in reversed(deleted)}
    for event in (*created, *lists):
        for told in event.ids:
            if ends.get(told, event.start) < event.start:
                yield f"{event.method} told {told} after its deletion had been acknowledged"


def _losses(
    created: Sequence[Event], lists: Sequence[Event], deletes: Sequence[Event]
) -> Iterator[str]:
    """An acknowledged object that a later list lacks although nobody had asked to delete it."""
    starts = {event.key: event.start for event in sorted(deletes, key=lambda each: -each.start)}
    for made in created:
        for listed in lists:
            asked = starts.get(made.ids[0], listed.end)
            if made.end < listed.start and listed.end <= asked and made.ids[0] not in listed.ids:
                yield f"{listed.method} lacks {made.key!r} ({made.ids[0]}), which nobody deleted"
