"""The Identity service: who the plugin is, what it can do, and whether it is fit to serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from google.protobuf.wrappers_pb2 import BoolValue

from csi.spec import csi_pb2

ServiceType = csi_pb2.PluginCapability.Service
ExpansionType = csi_pb2.PluginCapability.VolumeExpansion


@dataclass(frozen=True, slots=True)
class Plugin:
    """What the plugin says of itself. ``manifest`` names what it is made of, with versions."""

    name: str
    version: str
    services: Sequence[csi_pb2.PluginCapability.Service.Type.ValueType]
    expansion: Sequence[csi_pb2.PluginCapability.VolumeExpansion.Type.ValueType] = ()
    manifest: Mapping[str, str] = field(default_factory=dict)


class Identity:
    """Answers from memory: it must work when nothing else does."""

    def __init__(self, plugin: Plugin, ready: Callable[[], bool]) -> None:
        """``ready`` is asked by every Probe; it costs nothing, and never waits for storage."""
        self._plugin = plugin
        self._ready = ready

    def GetPluginInfo(
        self, _request: csi_pb2.GetPluginInfoRequest
    ) -> csi_pb2.GetPluginInfoResponse:
        return csi_pb2.GetPluginInfoResponse(
            name=self._plugin.name,
            vendor_version=self._plugin.version,
            manifest=self._plugin.manifest,
        )

    def GetPluginCapabilities(
        self, _request: csi_pb2.GetPluginCapabilitiesRequest
    ) -> csi_pb2.GetPluginCapabilitiesResponse:
        services = [
            csi_pb2.PluginCapability(service=ServiceType(type=one)) for one in self._plugin.services
        ]
        growth = [
            csi_pb2.PluginCapability(volume_expansion=ExpansionType(type=one))
            for one in self._plugin.expansion
        ]
        return csi_pb2.GetPluginCapabilitiesResponse(capabilities=services + growth)

    def Probe(self, _request: csi_pb2.ProbeRequest) -> csi_pb2.ProbeResponse:
        # CSI: false is "still starting"; what needs a restart is FAILED_PRECONDITION, raised by ready.
        return csi_pb2.ProbeResponse(ready=BoolValue(value=self._ready()))
