"""How a driver in memory misbehaves, for a test to change while the driver runs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def _open() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


@dataclass(slots=True)
class Moods:
    """What a test may change while the driver runs."""

    absent: bool = False
    """The storage is not on this node."""
    broken: str = ""
    """Why set-up fails."""
    unhealthy: str = ""
    """What the stats say of a backend that fell ill after its set-up; a set-up cures it."""
    fill: float = 0.5
    """How full the pool is, 0 to 1."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the stats say otherwise than the driver's state."""
    copies: int = 0
    """How many calls for a copy are told that it is still going on."""
    set_up_gate: threading.Event = field(default_factory=_open)
    """Set-up waits here while it is not set."""
    gate: threading.Event = field(default_factory=_open)
    """Changes wait here while it is not set."""
    entered: threading.Event = field(default_factory=threading.Event)
    """Set when a change has come to the gate."""
