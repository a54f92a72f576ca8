"""The Identity service, through a real socket."""

from pathlib import Path

import grpc

from csi.metrics import Metrics
from csi.rpc.client import Client
from csi.rpc.endpoint import UnixSocket
from csi.rpc.identity import Identity, Plugin
from csi.rpc.server import Server
from csi.spec import csi_pb2
from drivers.errors import Precondition
from tests.fakes.services import PLUGIN, refusal, serving

SERVICE = csi_pb2.PluginCapability.Service
GROWTH = csi_pb2.PluginCapability.VolumeExpansion


def test_the_plugin_says_who_it_is(tmp_path: Path) -> None:
    with serving(tmp_path / "csi.sock") as client:
        info = client.identity.GetPluginInfo(csi_pb2.GetPluginInfoRequest())
    assert info == csi_pb2.GetPluginInfoResponse(
        name=PLUGIN.name, vendor_version=PLUGIN.version, manifest={"fake": "0.0.1"}
    )


def test_capabilities_are_those_that_were_given() -> None:
    plugin = Plugin(
        "hearth-csi.io",
        "1.2.3",
        [SERVICE.CONTROLLER_SERVICE, SERVICE.VOLUME_ACCESSIBILITY_CONSTRAINTS],
        [GROWTH.ONLINE],
    )
    answer = Identity(plugin, lambda: True).GetPluginCapabilities(
        csi_pb2.GetPluginCapabilitiesRequest()
    )
    kinds = [one.service.type for one in answer.capabilities if one.HasField("service")]
    growth = [
        one.volume_expansion.type for one in answer.capabilities if not one.HasField("service")
    ]
    assert kinds == plugin.services
    assert growth == plugin.expansion


def test_a_probe_tells_starting_from_ready_and_from_unfit(tmp_path: Path) -> None:
    states = [False, True]

    def ready() -> bool:
        if not states:
            raise Precondition("device-mapper is not there; load the module dm_mod")
        return states.pop(0)

    server = Server(UnixSocket(tmp_path / "csi.sock"), [Identity(PLUGIN, ready)], Metrics("1.2.3"))
    server.start()
    with Client(f"unix://{tmp_path}/csi.sock") as client:
        asked = [client.identity.Probe(csi_pb2.ProbeRequest()).ready.value for _ in range(2)]
        code, message = refusal(client.identity.Probe, csi_pb2.ProbeRequest())
    server.stop(1)
    assert asked == [False, True]
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    assert "dm_mod" in message
