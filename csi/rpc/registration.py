"""Kubelet's plugin registration: a socket in its directory, on which it asks who is there.

Kubelet asks once for each socket that appears, and again for all of them after its own restart. One that
it has refused has to appear anew, so a refusal is answered with another socket after a while.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from csi.spec import registration_pb2 as pb
from drivers.errors import StorageError

log = logging.getLogger(__name__)

CSI_VERSIONS = ("1.0.0",)
"""Kubelet compares the major version."""
PAUSE = 10.0
"""Seconds from a refusal to the next appearance."""


class Serves(Protocol):
    """What is started and stopped: `csi.rpc.server.Server`."""

    def start(self) -> None: ...

    def stop(self, grace: float) -> bool: ...


@dataclass(frozen=True, slots=True)
class Plugin:
    """What kubelet is told: the driver's name and the path of the socket that it shall talk to."""

    name: str
    endpoint: str


class Registration:
    """The service."""

    def __init__(self, plugin: Plugin, refused: Callable[[], None]) -> None:
        """``refused`` is called when kubelet does not take the plugin."""
        self._plugin = plugin
        self._refused = refused

    def GetInfo(self, _request: pb.InfoRequest) -> pb.PluginInfo:
        return pb.PluginInfo(
            type="CSIPlugin",
            name=self._plugin.name,
            endpoint=self._plugin.endpoint,
            supported_versions=CSI_VERSIONS,
        )

    def NotifyRegistrationStatus(
        self, request: pb.RegistrationStatus
    ) -> pb.RegistrationStatusResponse:
        if request.plugin_registered:
            log.info("kubelet has registered %s", self._plugin.name)
        else:
            log.error("kubelet refuses %s: %s", self._plugin.name, request.error)
            self._refused()
        return pb.RegistrationStatusResponse()


class Registrar:
    """Keeps a registration socket there, and lets it appear anew after a refusal."""

    def __init__(
        self, plugin: Plugin, serve: Callable[[Registration], Serves], pause: float = PAUSE
    ) -> None:
        """``serve`` makes a server, not yet started, for the service."""
        self._plugin = plugin
        self._serve = serve
        self._pause = pause
        self._guard = threading.Lock()
        self._closed = threading.Event()
        self._server: Serves | None = None

    def start(self) -> None:
        """Appear."""
        with self._guard:
            if not self._closed.is_set():
                self._server = self._serve(Registration(self._plugin, self._refused))
                self._server.start()

    def stop(self, grace: float) -> bool:
        """Disappear, for good; kubelet then takes the plugin for gone."""
        self._closed.set()
        return self._vanish(grace)

    def _refused(self) -> None:
        threading.Thread(target=self._appear_anew, name="registration", daemon=True).start()

    def _appear_anew(self) -> None:
        self._vanish(1.0)
        while not self._closed.wait(self._pause):
            try:
                self.start()
            except StorageError as error:
                log.warning("kubelet cannot be told of %s: %s", self._plugin.name, error)
            else:
                return

    def _vanish(self, grace: float) -> bool:
        with self._guard:
            server, self._server = self._server, None
        return server is None or server.stop(grace)
