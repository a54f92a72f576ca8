"""Who needs a device: the pod that a volume is staged for, and the copies that read it.

A COW snapshot and its origin are active together or not at all, so what is counted is the origin.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from drivers.errors import InUse
from drivers.lvm.group import VolumeGroup
from drivers.lvm.report import Group, Lv
from drivers.model import Connection


class Connections:
    """Activation on behalf of pods and of background jobs, so that neither cuts the other off."""

    def __init__(self, group: VolumeGroup) -> None:
        self._group = group
        self._guard = threading.Lock()
        self._readers: Counter[str] = Counter()
        self._idle: set[str] = set()

    def connect(self, lv: Lv) -> Connection:
        """Make the device appear for a pod."""
        connection = self._group.connection(lv)
        # Only now: a job that begins while it was not yet active takes it for its own.
        with self._guard:
            self._idle.discard(lv.uuid)
        return connection

    def disconnect(self, lv: Lv) -> None:
        """Take the device away, or leave that to the last job that reads it.

        Raises `InUse` if somebody else has it open.
        """
        with self._guard:
            if self._readers[lv.uuid]:
                self._idle.add(lv.uuid)
                return
        if self._group.is_open(lv):
            raise InUse(f"{self._group.name}/{lv.name} is open: unmount it, or end what reads it")
        self._group.deactivate(lv)

    @contextmanager
    def reading(self, group: Group, lv: Lv) -> Iterator[Connection]:
        """Keep the device of ``lv`` active for the block."""
        root = group.lvs[lv.origin] if lv.is_cow else lv
        with self._guard:
            if not self._readers[root.uuid] and self._group.device(root) is None:
                self._idle.add(root.uuid)
            self._readers[root.uuid] += 1
        try:
            yield self._group.connection(lv)
        finally:
            self._release(root)

    def _release(self, root: Lv) -> None:
        with self._guard:
            self._readers[root.uuid] -= 1
        # While changing: a pod that connects now is in time, or finds the device gone.
        with self._group.changing() as now:
            if self._is_unwanted(root):
                self._take_away(now, root)

    def _is_unwanted(self, root: Lv) -> bool:
        with self._guard:
            unwanted = not self._readers[root.uuid] and root.uuid in self._idle
            self._idle -= {root.uuid} if unwanted else set()
            return unwanted

    def _take_away(self, now: Group, root: Lv) -> None:
        # By name as it is now: a temporary origin may be gone, a renamed one is still it.
        for lv in now.lvs.values():
            if lv.uuid == root.uuid and not self._group.is_open(lv):
                self._group.deactivate(lv)
