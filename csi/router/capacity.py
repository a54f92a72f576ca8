"""GetCapacity for one node, as the provisioner asks for each, or for all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from csi.controller.capacity import BOUNDLESS
from csi.router.link import Link
from csi.router.nodes import Nodes
from csi.router.placing import together
from csi.spec import csi_pb2 as pb

GET = "/csi.v1.Controller/GetCapacity"


@dataclass(frozen=True, slots=True)
class Capacities:
    """The room in a cluster."""

    nodes: Nodes
    topology_key: str

    def get(self, request: pb.GetCapacityRequest, raw: bytes) -> bytes | pb.GetCapacityResponse:
        """The node's own answer; without a node the sum, and no room where none of ours can be."""
        segments = dict(request.accessible_topology.segments)
        if not segments:
            return self._everywhere(raw)
        if segments.keys() != {self.topology_key}:
            return pb.GetCapacityResponse(available_capacity=0)
        return self.nodes.named(segments[self.topology_key]).peer.forward(GET, raw)

    def _everywhere(self, raw: bytes) -> pb.GetCapacityResponse:
        def ask(link: Link) -> pb.GetCapacityResponse:
            return pb.GetCapacityResponse.FromString(link.peer.forward(GET, raw))

        return _sum(list(together(ask, self.nodes.everywhere()).values()))


def _sum(answers: Sequence[pb.GetCapacityResponse]) -> pb.GetCapacityResponse:
    response = pb.GetCapacityResponse(
        available_capacity=min(BOUNDLESS, sum(each.available_capacity for each in answers))
    )
    largest = max((each.maximum_volume_size.value for each in answers), default=0)
    response.maximum_volume_size.value = largest
    return response
