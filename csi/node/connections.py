"""Which device a volume has here: proven once, then remembered.

Statistics are asked for every volume every minute and must answer while LVM is busy or stuck, so what
was proven when the volume was staged is kept in memory. After a restart the driver is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from csi.node import devices
from csi.node.devices import Device
from csi.node.mounts import Mounts
from drivers.backends import Backends
from drivers.errors import Busy, NotFound, StorageError, Unavailable
from drivers.exec import deadline
from drivers.model import VolumeId
from drivers.mountinfo import Device as Number

PATIENCE = 1.0
"""Seconds that a question may take whose answer can be done without."""


class Connections:
    """The devices of this node's volumes."""

    def __init__(self, backends: Backends, mounts: Mounts) -> None:
        self._backends = backends
        self._mounts = mounts
        self._numbers: dict[VolumeId, Number] = {}

    @contextmanager
    def device(self, volume_id: VolumeId) -> Iterator[Device]:
        """The volume's device, made active, open and proven.

        Raises `NotFound`, `Busy` and `Unavailable`. If the block fails and nothing shows the device,
        it is taken away again: what was refused may never be unstaged, and what is active is not
        deleted.
        """
        driver = self._backends.of(volume_id)
        proven: Number | None = None
        try:
            with devices.opened(driver.initialize_connection(volume_id)) as device:
                proven = self._numbers[volume_id] = device.number
                yield device
        except StorageError:
            if proven is not None and not self._mounts.on(proven):
                with suppress(StorageError):
                    self.end(volume_id)
            raise

    def remembered(self, volume_id: VolumeId) -> Number | None:
        """The number of the volume's device, as proven since this process began."""
        return self._numbers.get(volume_id)

    def number(self, volume_id: VolumeId) -> Number | None:
        """The number of the volume's device; None if that cannot be told now, or not soon.

        Raises `NotFound`. It may make the device active, so the caller holds the volume's lock, and
        something shows the volume already.
        """
        if (known := self.remembered(volume_id)) is not None:
            return known
        token = deadline.set(_soon())
        try:
            with self.device(volume_id) as device:
                return device.number
        except (Busy, Unavailable):
            return None
        finally:
            deadline.reset(token)

    def end(self, volume_id: VolumeId) -> None:
        """Take the device away. Success if the volume or its backend id is not known."""
        with suppress(NotFound):
            self._backends.of(volume_id).terminate_connection(volume_id)
        self._numbers.pop(volume_id, None)


def _soon() -> float:
    soon, given = time.monotonic() + PATIENCE, deadline.get()
    return soon if given is None else min(soon, given)
