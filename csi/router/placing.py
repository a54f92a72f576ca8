"""Where a new volume is made: at its source, at the node that has begun it, or where it is wanted most.

A retry never makes a second volume. The answer to the first call may have been lost, and the room, the
scheduler's choice or this process may be others since; so every node that could make the volume is asked
for its name before one is told to.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from csi.controller.convert import require, source
from csi.controller.parameters import BACKEND
from csi.router.link import Link
from csi.router.names import some
from csi.router.nodes import Nodes
from csi.rpc.status import Answered, is_exhausted
from csi.spec import csi_pb2 as pb
from csi.spec import manage_pb2
from drivers.errors import Exhausted, Precondition, Unavailable

Answer = TypeVar("Answer")

CREATE = "/csi.v1.Controller/CreateVolume"
FIND = "/hearth.manage.v1.Manage/FindVolume"
AT_ONCE = 32
"""How many nodes are asked at the same time."""


@dataclass(frozen=True, slots=True)
class Placing:
    """Finds the node for one CreateVolume and passes it on."""

    nodes: Nodes
    topology_key: str

    def create(self, request: pb.CreateVolumeRequest, raw: bytes) -> bytes:
        """The bytes of the answer of the node that made the volume, or had made it before."""
        require(request, "name", "volume_capabilities")
        wanted = self._wanted(request.accessibility_requirements)
        if request.HasField("volume_content_source"):
            return self._at_source(request).peer.forward(CREATE, raw)
        candidates = self._candidates(request, wanted)
        if len(candidates) > 1 and (begun := self._begun(request.name, candidates)):
            return begun.peer.forward(CREATE, raw)
        able = self._able(candidates, request.parameters.get(BACKEND, ""))
        return _first_with_room(able, raw)

    def _wanted(self, requirement: pb.TopologyRequirement) -> Sequence[str]:
        """The nodes asked for, the most wanted first; none if it does not matter.

        CSI: what is preferred must be among what is required, if anything is.
        """
        requisite = list(self._names(requirement.requisite))
        preferred = list(self._names(requirement.preferred))
        if requirement.requisite:
            preferred = [name for name in preferred if name in requisite]
        return list(dict.fromkeys([*preferred, *requisite]))

    def _names(self, topologies: Sequence[pb.Topology]) -> Iterator[str]:
        for topology in topologies:
            if name := topology.segments.get(self.topology_key):
                yield name

    def _at_source(self, request: pb.CreateVolumeRequest) -> Link:
        wanted = list(self._names(request.accessibility_requirements.requisite))
        origin = source(request.volume_content_source)
        home = self.nodes.owner(origin.id)
        if wanted and home.name not in wanted:
            raise Exhausted(
                f"{origin.kind.value} {origin.id} is on node {home.name}, and a copy of it can only be"
                f" made there, not on {', '.join(wanted)}: use a StorageClass with volumeBindingMode"
                " Immediate, or let the pod be scheduled to that node"
            )
        return home

    def _candidates(self, request: pb.CreateVolumeRequest, wanted: Sequence[str]) -> Sequence[Link]:
        required = request.accessibility_requirements.requisite
        if required and wanted:
            return [self.nodes.named(name) for name in wanted]
        if required:
            raise Exhausted(
                f"volume {request.name!r} is wanted where no node says {self.topology_key}: Hearth does"
                " not run there"
            )
        backend = request.parameters.get(BACKEND, "")
        rank = {name: place for place, name in enumerate(wanted)}
        return sorted(
            self.nodes.everywhere(),
            key=lambda link: (rank.get(link.name, len(rank)), -link.room(backend)),
        )

    def _able(self, candidates: Sequence[Link], backend: str) -> Sequence[Link]:
        """The candidates without those that are known not to have the backend: these refuse for good.

        A name that no node knows is passed on: the first refuses it with a list of those there are. Raises
        `Exhausted`, which makes the scheduler look elsewhere, if only others have it.
        """
        able = [link for link in candidates if not link.lacks(backend)]
        homes = {link.name for link in self.nodes.known() if link.names(backend)}
        if able or not homes:
            return able or candidates
        raise Exhausted(
            f"backend {backend!r} is on {some(homes)}, not on {some([link.name for link in candidates])}:"
            " let the pod be scheduled to a node that has it, or use a StorageClass of another backend"
        )

    def _begun(self, name: str, candidates: Sequence[Link]) -> Link | None:
        """The node that has a volume of that name, finished or begun."""
        request = manage_pb2.FindVolumeRequest(name=name).SerializeToString()

        def has(link: Link) -> bool:
            answer = link.peer.forward(FIND, request)
            return manage_pb2.FindVolumeResponse.FromString(answer).found

        found = [link for link, yes in together(has, candidates).items() if yes]
        if len(found) > 1:
            both = " and ".join(link.name for link in found)
            raise Precondition(
                f"volume {name!r} exists on nodes {both}: delete the one that is not in use there"
            )
        return found[0] if found else None


def together(ask: Callable[[Link], Answer], links: Sequence[Link]) -> Mapping[Link, Answer]:
    """What each of ``links`` answers, asked at once; raises what the first of them raises."""
    if len(links) == 1:
        return {links[0]: ask(links[0])}
    with ThreadPoolExecutor(min(AT_ONCE, len(links) or 1)) as threads:
        # Each with the caller's deadline, which is in the context.
        asked = {link: threads.submit(contextvars.copy_context().run, ask, link) for link in links}
        return {link: future.result() for link, future in asked.items()}


def _first_with_room(candidates: Sequence[Link], raw: bytes) -> bytes:
    refusals: list[str] = []
    for link in candidates:
        try:
            return link.peer.forward(CREATE, raw)
        except Answered as error:
            if not is_exhausted(error):
                raise
            refusals.append(str(error))
    if not candidates:
        raise Unavailable("no node of Hearth is there to make the volume; see its node pods")
    raise Exhausted("; ".join(dict.fromkeys(refusals)))
