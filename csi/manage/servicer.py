"""The Manage service on the backends of this node: convert, call, convert."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count

from csi.controller.provisioner import Provisioner
from csi.manage import convert
from csi.spec import manage_pb2 as pb
from drivers.backends import Backends
from drivers.errors import Invalid

LOOK = 1.0
"""Seconds between two looks at what is in memory anyway, for whoever watches."""
RETRY = 15
"""Looks from one try to set up what serves nothing to the next."""


class Manage:
    """The service."""

    def __init__(
        self, node: str, backends: Backends, provisioner: Provisioner, look: float = LOOK
    ) -> None:
        self._node = node
        self._backends = backends
        self._provisioner = provisioner
        self._look = look

    def WatchBackends(
        self, _request: pb.WatchBackendsRequest
    ) -> Iterator[pb.WatchBackendsResponse | None]:
        told = None
        for look in count(1):
            now = convert.watched(self._node, self._backends)
            yield now if now != told else None
            told = now
            if look % RETRY == 0:
                # Who watches wants to know of disks that were added, and nobody may ask for them.
                self._backends.usable()
            time.sleep(self._look)

    def FindVolume(self, request: pb.FindVolumeRequest) -> pb.FindVolumeResponse:
        if not request.name:
            raise Invalid("name is missing")
        return pb.FindVolumeResponse(found=self._provisioner.has_begun(request.name))
