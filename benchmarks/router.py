"""What the router costs: the latency that it adds to a call, and a cluster of 1,000 nodes in its memory.

Run by ``.venv/bin/python benchmarks/router.py``. The nodes are one other process with a socket for each of
them, without TLS: what is measured is the router. Direct and routed calls take turns in one run.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import grpc

from csi.controller.servicer import announced
from csi.metrics import Metrics
from csi.router.nodes import Nodes
from csi.router.servicer import Controller
from csi.rpc import endpoint
from csi.rpc.client import Client
from csi.rpc.endpoint import UnixSocket
from csi.rpc.peer import Peer
from csi.rpc.server import Server
from csi.spec import csi_pb2 as pb
from csi.spec import manage_pb2
from drivers.interface import load_drivers

NODES, VOLUMES, CLASSES, ROUNDS = 1000, 100, 3, 2000
KEY = "topology.hearth-csi.io/node"


def simulate(directory: Path) -> None:
    """Be all nodes, until standard input ends."""
    numbers = count()
    server = grpc.server(ThreadPoolExecutor(NODES + 64))

    def watch(_request: bytes, _context: grpc.ServicerContext) -> Iterator[bytes]:
        backend = manage_pb2.Backend(name="fast", id=f"sim{next(numbers)}")
        yield manage_pb2.WatchBackendsResponse(
            backends=[backend], complete=True
        ).SerializeToString()
        threading.Event().wait()

    room = pb.GetCapacityResponse(available_capacity=1 << 40).SerializeToString()
    entries = [
        pb.ListVolumesResponse.Entry(volume=pb.Volume(volume_id=f"sim.{n}", capacity_bytes=1 << 30))
        for n in range(VOLUMES)
    ]
    listed = pb.ListVolumesResponse(entries=entries).SerializeToString()
    manage = {"WatchBackends": grpc.unary_stream_rpc_method_handler(watch)}
    controller = {
        name: grpc.unary_unary_rpc_method_handler(lambda _request, _context, answer=answer: answer)
        for name, answer in (("GetCapacity", room), ("ListVolumes", listed), ("DeleteVolume", b""))
    }
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler("hearth.manage.v1.Manage", manage),
            grpc.method_handlers_generic_handler("csi.v1.Controller", controller),
        ]
    )
    for number in range(NODES):
        server.add_insecure_port(endpoint.target(directory / str(number)))
    server.start()
    print("there", flush=True)
    sys.stdin.read()


def milliseconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def resident() -> float:
    """MiB of memory of this process, at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def latency(direct: Client, routed: Client) -> None:
    """The same call, by turns."""
    request = pb.DeleteVolumeRequest(volume_id="sim0.volume")
    times: dict[str, list[float]] = {"direct": [], "routed": []}
    for _ in range(ROUNDS):
        for way, client in (("direct", direct), ("routed", routed)):
            times[way].append(milliseconds(lambda c=client: c.controller.DeleteVolume(request)))
    one, two = (statistics.median(times[way]) for way in ("direct", "routed"))
    print(
        f"direct {one:.2f} ms, routed {two:.2f} ms: {two - one:.2f} ms more, {two / one:.1f} times"
    )


def storm(routed: Client) -> None:
    """What the provisioner asks every minute: each node for each class, and each list once."""

    def ask(number: int) -> None:
        segment = pb.Topology(segments={KEY: str(number)})
        routed.controller.GetCapacity(pb.GetCapacityRequest(accessible_topology=segment))

    for threads in (1, 10):
        with ThreadPoolExecutor(threads) as pool:
            spent = milliseconds(lambda p=pool: list(p.map(ask, list(range(NODES)) * CLASSES)))
        calls = NODES * CLASSES
        print(
            f"GetCapacity, {calls} calls, {threads} at once: {spent:.0f} ms, {spent / calls:.2f} each"
        )
    entries = 0

    def everything() -> None:
        nonlocal entries
        entries = len(routed.controller.ListVolumes(pb.ListVolumesRequest()).entries)

    spent = milliseconds(everything)
    print(f"ListVolumes over all nodes: {entries} volumes in {spent:.0f} ms")


def main() -> None:
    """Start the nodes, then the router in this process, and print what it costs."""
    with (
        tempfile.TemporaryDirectory(prefix="hearth-") as name,
        subprocess.Popen(
            [sys.executable, __file__, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as simulation,
    ):
        directory = Path(name)
        if simulation.stdout:
            simulation.stdout.readline()
        empty = resident()
        nodes = Nodes(lambda node, address: Peer(node, address, None))
        service = Controller(nodes, KEY, announced(load_drivers().values(), alpha=False))
        server = Server(UnixSocket(directory / "router"), [service], Metrics("0"))
        server.start()
        began = time.perf_counter()
        nodes.announce({str(n): f"unix://{directory}/{n}" for n in range(NODES)})
        while not all(link.connected for link in nodes.known()):
            time.sleep(0.01)
        spent = time.perf_counter() - began
        print(f"{NODES} nodes connected in {spent:.1f} s, {resident() - empty:.0f} MiB for them")
        with (
            Client(f"unix://{directory}/0") as direct,
            Client(f"unix://{directory}/router") as routed,
        ):
            latency(direct, routed)
            storm(routed)
        print(f"in all {resident():.0f} MiB")
        server.stop(1)
        nodes.close()
        simulation.kill()


if __name__ == "__main__":
    simulate(Path(sys.argv[1])) if len(sys.argv) > 1 else main()
