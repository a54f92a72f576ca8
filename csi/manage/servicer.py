"""The Manage service on the backends of this node: convert, call, convert."""

from __future__ import annotations

import time
from collections.abc import Iterator

from csi.controller.provisioner import Provisioner
from csi.manage import convert
from csi.spec import manage_pb2 as pb
from drivers.backends import Backends
from drivers.errors import Invalid

LOOK = 1.0
"""Seconds between two looks at what is in memory anyway, for whoever watches."""


class Manage:
    """The service."""

    def __init__(self, node: str, backends: Backends, provisioner: Provisioner) -> None:
        self._node = node
        self._backends = backends
        self._provisioner = provisioner

    def WatchBackends(
        self, _request: pb.WatchBackendsRequest
    ) -> Iterator[pb.WatchBackendsResponse | None]:
        told = None
        while True:
            now = convert.watched(self._node, self._backends)
            yield now if now != told else None
            told = now
            time.sleep(LOOK)

    def FindVolume(self, request: pb.FindVolumeRequest) -> pb.FindVolumeResponse:
        if not request.name:
            raise Invalid("name is missing")
        return pb.FindVolumeResponse(found=self._provisioner.has_begun(request.name))
