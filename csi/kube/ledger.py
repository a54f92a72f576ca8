"""What the operator has done and what there is, for metrics: counted in memory."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping

from csi.kube.client import Object
from csi.kube.record import Record
from csi.kube.refusals import Refused

Observe = Callable[[str, str], None]
"""Told the kind and the result of each call: ``done``, or the reason of a refusal."""


class Ledger:
    """Which resources there are, by kind and phase, and what came of each call."""

    def __init__(self, observe: Observe) -> None:
        self._observe = observe
        self._guard = threading.Lock()
        self._phases: dict[tuple[str, str], str] = {}
        self._tries: dict[tuple[str, str, bool], tuple[str, int]] = {}
        self._tried: dict[tuple[str, str], int] = {}

    def began(self, kind: str, owner: Object) -> None:
        """A resource is looked at as it is now; what another one wanted has been refused never."""
        key = kind, owner["metadata"]["uid"]
        with self._guard:
            if self._is_changed(kind, owner):
                self._forget_tries(*key)
            self._tried[key] = owner["metadata"].get("generation", 0)

    def is_changed(self, kind: str, owner: Object) -> bool:
        """Whether something else is wanted than when it was looked at last, in whatever life."""
        with self._guard:
            return self._is_changed(kind, owner)

    def _is_changed(self, kind: str, owner: Object) -> bool:
        generation = owner["metadata"].get("generation", 0)
        told = (owner.get("status") or {}).get("observedGeneration", generation)
        return bool(generation > self._tried.get((kind, owner["metadata"]["uid"]), told))

    def saw(self, kind: str, owner: Object) -> None:
        """A resource is there. What it says of itself counts until it has been looked at."""
        phase = (owner.get("status") or {}).get("phase")
        if phase and "deletionTimestamp" not in owner["metadata"]:
            with self._guard:
                self._phases.setdefault((kind, owner["metadata"]["uid"]), phase)

    def ended(self, kind: str, result: str, record: Record | None) -> None:
        """A call for a resource has ended; ``record`` is None where it was gone, or not to be had."""
        self._observe(kind, result)
        if record is not None and "deletionTimestamp" not in record.owner["metadata"]:
            with self._guard:
                self._phases[kind, record.owner["metadata"]["uid"]] = record["phase"]

    def again(self, kind: str, uid: str, error: Refused) -> int:
        """A resource was refused; how often it was before, in a row and for the same reason.

        What passes by itself does not end a row of what waits for a person.
        """
        key = kind, uid, error.passes
        with self._guard:
            before, times = self._tries.get(key, (error.reason, 0))
            times = times if before == error.reason else 0
            self._tries[key] = error.reason, times + 1
            return times

    def _forget_tries(self, kind: str, uid: str) -> None:
        for passes in (True, False):
            self._tries.pop((kind, uid, passes), None)

    def forget(self, kind: str, uid: str) -> None:
        """A resource goes."""
        with self._guard:
            self._phases.pop((kind, uid), None)
            self._forget_tries(kind, uid)
            self._tried.pop((kind, uid), None)

    def phases(self) -> Mapping[tuple[str, ...], int]:
        """How many resources there are of each kind and phase."""
        with self._guard:
            return Counter((kind, phase) for (kind, _), phase in self._phases.items())
