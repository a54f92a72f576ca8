"""What every process says of the plugin."""

from __future__ import annotations

from collections.abc import Mapping

from csi.app import version
from csi.rpc.identity import Plugin
from csi.spec import csi_pb2
from drivers.interface import VolumeDriver

ServiceType = csi_pb2.PluginCapability.Service
ExpansionType = csi_pb2.PluginCapability.VolumeExpansion


def plugin(name: str, drivers: Mapping[str, type[VolumeDriver]], *, groups: bool) -> Plugin:
    """The plugin of that name, made of ``drivers``; ``groups``: whether it can freeze several volumes."""
    services = [ServiceType.CONTROLLER_SERVICE, ServiceType.VOLUME_ACCESSIBILITY_CONSTRAINTS]
    if groups:
        services.append(ServiceType.GROUP_CONTROLLER_SERVICE)
    return Plugin(
        name=name,
        version=version(),
        services=services,
        expansion=(ExpansionType.ONLINE,),
        manifest={f"driver.{name}": driver.VERSION for name, driver in sorted(drivers.items())},
    )


def certificate_name(role: str, driver_name: str) -> str:
    """The name in the certificate of a process: nodes and callers know each other by it."""
    return f"{role}.{driver_name}"
