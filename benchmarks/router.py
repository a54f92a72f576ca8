"""What the router costs: the latency that it adds to a call, and a cluster of 1,000 nodes in its memory.

Run by ``.venv/bin/python benchmarks/router.py [--tls] [--nodes N]``. As in a cluster, the caller, the router
and the nodes are processes of their own (all nodes are one, with an address for each of them), so none waits
for the lock of another's interpreter. Direct and routed calls take turns in one run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
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
from csi.rpc.server import OPTIONS, Server
from csi.rpc.status import Answered
from csi.rpc.tls import Certificates, TlsPort
from csi.spec import csi_pb2 as pb
from csi.spec import manage_pb2
from drivers.exec import soon
from drivers.interface import load_drivers

VOLUMES, CLASSES, ROUNDS, IDLE = 100, 3, 1000, 10
KEY = "topology.hearth-csi.io/node"
NODE = "node.hearth-csi.io"
DELETE = "/csi.v1.Controller/DeleteVolume"
REQUEST = pb.DeleteVolumeRequest(volume_id="sim0.volume").SerializeToString()
TICKS = os.sysconf("SC_CLK_TCK")


def certificates(home: Path, role: str) -> Certificates | None:
    """Those of a role, if there are any: then all that is between processes of Hearth uses TLS."""
    return Certificates(home / role) if (home / role).is_dir() else None


def simulate(home: Path, number: int) -> None:
    """Be ``number`` nodes, until standard input ends. Their addresses are the first line."""
    numbers = count()
    server = grpc.server(ThreadPoolExecutor(number + 64), options=OPTIONS)

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
    tls = certificates(home, "node")
    print(json.dumps([listen(server, home / str(n), tls) for n in range(number)]))
    server.start()
    sys.stdout.flush()
    sys.stdin.read()


def listen(server: grpc.Server, socket: Path, tls: Certificates | None) -> str:
    """One more address of ``server``."""
    if tls:
        port = TlsPort("127.0.0.1", 0, tls)
        port.bind(server)
        return f"127.0.0.1:{port.port}"
    server.add_insecure_port(endpoint.target(socket))
    return f"unix://{socket}"


def route(home: Path, addresses: list[str]) -> None:
    """Be the router, until standard input ends. The seconds until all nodes are there are the first line."""
    tls = certificates(home, "controller")
    nodes = Nodes(lambda node, address: Peer(node, address, tls, NODE))
    service = Controller(nodes, KEY, announced(load_drivers().values(), alpha=False))
    server = Server(UnixSocket(home / "router"), [service], Metrics("0"))
    server.start()
    print(resident("self"), flush=True)
    began = time.perf_counter()
    nodes.announce({str(number): address for number, address in enumerate(addresses)})
    while not all(link.connected for link in nodes.known()):
        time.sleep(0.05)
    print(time.perf_counter() - began, flush=True)
    sys.stdin.read()
    os._exit(0)


@contextmanager
def process(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """This file in another role; killed at the end."""
    argv = [sys.executable, __file__, *map(str, words)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def said(child: subprocess.Popen[str]) -> str:
    """Its next line."""
    return child.stdout.readline() if child.stdout else ""


def milliseconds(call: Callable[[], object]) -> float:
    """How long one call takes."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def status(pid: int | str, field: str) -> int:
    """A number of a process's ``status``."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def resident(pid: int | str) -> float:
    """MiB of memory of a process, at most so far."""
    return status(pid, "VmHWM") / 1024


def worked(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def idle(router: int) -> None:
    """What the connections cost while nobody calls."""
    before = worked(router)
    time.sleep(IDLE)
    share = (worked(router) - before) / IDLE * 100
    print(f"idle: {share:.1f} % of a processor, {status(router, 'Threads')} threads")


def reached(peer: Peer) -> Peer:
    """``peer`` with its connection, which may take several attempts on a busy machine."""
    while True:
        try:
            peer.forward(DELETE, REQUEST)
        except Answered:
            time.sleep(0.1)
        else:
            return peer


def latency(direct: Peer, routed: Peer) -> None:
    """The same call, by turns."""
    times: dict[str, list[float]] = {"direct": [], "routed": []}
    for _ in range(ROUNDS):
        for way, peer in (("direct", direct), ("routed", routed)):
            with soon(60):
                times[way].append(milliseconds(lambda p=peer: p.forward(DELETE, REQUEST)))
    one, two = (statistics.median(times[way]) for way in ("direct", "routed"))
    print(
        f"direct {one:.2f} ms, routed {two:.2f} ms: {two - one:.2f} ms more, {two / one:.1f} times"
    )


def storm(routed: Client, nodes: int, router: int) -> None:
    """What the provisioner asks every minute: each node for each class, and each list once."""

    def ask(number: int) -> None:
        segment = pb.Topology(segments={KEY: str(number)})
        routed.controller.GetCapacity(pb.GetCapacityRequest(accessible_topology=segment))

    calls = nodes * CLASSES
    for threads in (1, 10):
        before = worked(router)
        with ThreadPoolExecutor(threads) as pool:
            spent = milliseconds(lambda p=pool: list(p.map(ask, list(range(nodes)) * CLASSES)))
        each = (worked(router) - before) * 1000 / calls
        print(
            f"GetCapacity, {calls} calls, {threads} at once: {spent:.0f} ms, {spent / calls:.2f} each,"
            f" of which the router works {each:.2f}"
        )
    entries = 0

    def everything() -> None:
        nonlocal entries
        entries = len(routed.controller.ListVolumes(pb.ListVolumesRequest()).entries)

    spent = milliseconds(everything)
    print(f"ListVolumes over all nodes: {entries} volumes in {spent:.0f} ms")


def measure(home: Path, number: int) -> None:
    """Start the nodes and the router, and print what it costs."""
    with process("simulate", home, str(number)) as simulation:
        addresses = json.loads(said(simulation))
        with process("route", home, json.dumps(addresses)) as router:
            empty = float(said(router))
            spent = float(said(router))
            more = resident(router.pid) - empty
            print(f"{number} nodes connected in {spent:.1f} s, {more:.0f} MiB for them")
            idle(router.pid)
            direct = Peer("0", addresses[0], certificates(home, "controller"), NODE)
            latency(reached(direct), reached(Peer("router", f"unix://{home}/router", None)))
            with Client(f"unix://{home}/router") as routed:
                storm(routed, number, router.pid)
            print(f"the router has {resident(router.pid):.0f} MiB in all")


def main() -> None:
    """Measure, as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls", action="store_true", help="as in a cluster, and slower to start")
    parser.add_argument("--nodes", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hearth-") as name:
        home = Path(name)
        if arguments.tls:
            from tests.fakes.certificates import Authority

            authority = Authority()
            for role in ("node", "controller"):
                authority.issue(home / role, f"{role}.hearth-csi.io")
        measure(home, arguments.nodes)


if __name__ == "__main__":
    role, *words = sys.argv[1:] or [""]
    if role == "simulate":
        simulate(Path(words[0]), int(words[1]))
    elif role == "route":
        route(Path(words[0]), json.loads(words[1]))
    else:
        main()
