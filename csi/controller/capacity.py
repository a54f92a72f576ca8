"""How much room there is, for the scheduler.

Whatever the question asks for is applied: who asks for a layout is told what fits in that layout. A
filter that matches nothing gives no room, not an error. Nothing here waits for a backend.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from csi.controller import sizes
from csi.controller.access import DEFAULT_FILESYSTEM, Access, agree
from csi.controller.parameters import BACKEND, Parameters, parse
from drivers.backends import Backend, Backends
from drivers.errors import Invalid
from drivers.model import Capacity, VolumeMode

BOUNDLESS = 1 << 62
"""What INFINITE and UNKNOWN are to a scheduler, to which 0 or nothing would say that there is no room."""


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes: those left, the largest ``required`` and the least ``limit`` that a create would serve."""

    available: int = 0
    maximum: int = 0
    minimum: int = 0


NONE = Room()


class Capacities:
    """The room on the backends of one node."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    def room(self, accesses: Sequence[Access], parameters: Mapping[str, str]) -> Room:
        """The room for volumes used and made so; of all backends together where none is named.

        Raises `Invalid` only for parameters that no backend it may be for knows.
        """
        name = parameters.get(BACKEND, "")
        candidates = [each for each in self._backends if name in ("", each.name)]
        fitting, faults = [], []
        for backend in candidates:
            try:
                fitting.append((backend, parse(parameters, type(backend.driver))))
            except Invalid as error:
                faults.append(error)
        if faults and not fitting:
            raise faults[0]
        return _together([self._room(backend, accesses, each) for backend, each in fitting])

    def _room(self, backend: Backend, accesses: Sequence[Access], parameters: Parameters) -> Room:
        least = _least(accesses, parameters)
        stats = self._backends.stats(backend, parameters.options, refresh=True)
        if least is None or stats is None:
            return NONE
        minimum = sizes.round_up(max(least, 1), stats.allocation_unit)
        maximum = _bytes(stats.max_volume_size)
        available = _bytes(stats.free_capacity)
        return Room(available, maximum if maximum >= minimum else 0, minimum)


def _least(accesses: Sequence[Access], parameters: Parameters) -> int | None:
    """The bytes of the smallest volume that can be used so; None if none can."""
    if not accesses:
        return parameters.fs_type.minimum_size if parameters.fs_type else 0
    try:
        use = agree(accesses, parameters.fs_type)
    except Invalid:
        return None
    if use.mode is VolumeMode.BLOCK:
        return 0
    return (use.fs_type or DEFAULT_FILESYSTEM).minimum_size


def _together(rooms: Sequence[Room]) -> Room:
    return Room(
        available=min(BOUNDLESS, sum(room.available for room in rooms)),
        maximum=max((room.maximum for room in rooms), default=0),
        minimum=min((room.minimum for room in rooms if room.minimum), default=0),
    )


def _bytes(capacity: Capacity) -> int:
    return capacity if isinstance(capacity, int) else BOUNDLESS
