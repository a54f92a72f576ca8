"""What the operator has done and what there is, for metrics: counted in memory."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from csi.kube.record import Record

Observe = Callable[[str, str], None]
"""Told the kind and the result of each call: ``done``, or the reason of a refusal."""


class Ledger:
    """Which resources there are, by kind and phase, and what came of each call."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self._guard = threading.Lock()
        self._phases: dict[tuple[str, str], str] = {}
        self._tries: dict[tuple[str, str], tuple[str, int]] = {}

    def ended(self, kind: str, result: str, record: Record | None) -> None:
        """A call for a resource has ended; ``record`` is None where it was gone, or not to be had."""
        self._observe(kind, result)
        if record is not None and "deletionTimestamp" not in record.owner["metadata"]:
            with self._guard:
                self._phases[kind, record.owner["metadata"]["uid"]] = record["phase"]

    def again(self, kind: str, uid: str, reason: str) -> int:
        """A resource was refused; how often it was before, in a row and for the same reason."""
        with self._guard:
            before, times = self._tries.get((kind, uid), (reason, 0))
            times = times if before == reason else 0
            self._tries[kind, uid] = reason, times + 1
            return times

    def forget(self, kind: str, uid: str) -> None:
        """A resource goes."""
        with self._guard:
            self._phases.pop((kind, uid), None)
            self._tries.pop((kind, uid), None)

    def phases(self) -> Mapping[tuple[str, ...], int]:
        """How many resources there are of each kind and phase."""
        with self._guard:
            return Counter((kind, phase) for (kind, _), phase in self._phases.items())
