"""What is tried: a call, what must be there before it, and what must be true after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from drivers.model import MIB
from tests.crash.node import Home, Node

Act = Callable[[Node], object]

SIZE = 8 * MIB


def nothing(_node: Node) -> None:
    """Nothing to be done."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One call.

    ``prepare`` makes what is kept on the disks, once; ``warm`` what only lives in the kernel, before every
    death. ``pool``: whether the group has a thin pool. With ``cold`` the start of the process is part of
    the call. ``dies_at`` is the kind of a boundary: a first process and the machine died before it, and
    ``meanwhile`` is what was done to the disks then.
    """

    name: str
    call: Act
    verify: Act
    prepare: Act = nothing
    warm: Act | None = None
    pool: bool = False
    options: Mapping[str, object] = field(default_factory=dict)
    cold: bool = False
    dies_at: str = ""
    meanwhile: Callable[[Home], object] | None = None

    def __str__(self) -> str:
        return self.name
