"""A gRPC server on a unix socket, its services bound from the protocol's own description.

The generated servicers are untyped and answer an RPC that nobody wrote by raising. Here a service is a
plain class named as in the ``.proto``; what it lacks is UNIMPLEMENTED by gRPC itself, and a method
that the protocol does not know stops the start.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from csi.rpc import endpoint
from csi.rpc.call import Call, Observer, Rpc
from csi.rpc.gate import Gate
from csi.spec import csi_pb2
from drivers.errors import Unavailable

# The provisioner asks for 100 volumes at once, snapshotter and resizer for 10 each, kubelet for the
# volumes of every pod that starts. gRPC queues what is more, silently.
WORKERS = 160
# For what must be answered while all of them wait for storage.
SPARE = 32

# What gRPC may need to send the last answers after the calls themselves have ended.
LAST_WORDS = 1.0


class Server:
    """Serves ``services`` on the socket ``at`` from `start` until `stop`."""

    def __init__(
        self, at: Path, services: Sequence[object], observer: Observer, *, alpha: bool = False
    ) -> None:
        self._at = at
        self._gate = Gate()
        self._observer = observer
        self._alpha = alpha
        self._spare = ThreadPoolExecutor(SPARE, thread_name_prefix="quick")
        workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="rpc")
        self._grpc = grpc.server(workers, handlers=[self._bound(one) for one in services])

    def start(self) -> None:
        """Listen and serve. Raises `InUse` if somebody else does, `Precondition` if one cannot."""
        with endpoint.taken(self._at):
            try:
                self._grpc.add_insecure_port(endpoint.target(self._at))
            except RuntimeError as error:
                raise Unavailable(f"cannot listen on {self._at}: {error}") from error
        self._grpc.start()

    def stop(self, grace: float) -> bool:
        """Turn new calls away and wait for the others; whether all ended within ``grace`` seconds.

        The socket is given up last. Calls that go on after that are cut off from their callers, who
        will repeat them.
        """
        end = time.monotonic() + grace
        done = self._gate.close(grace)
        left = max(0.0, end - time.monotonic())
        # gRPC removes the socket's name after it has ceased to listen: it must not be a successor's.
        with endpoint.alone(self._at.parent):
            self._grpc.stop(left + LAST_WORDS if done else left).wait()
        self._spare.shutdown(wait=False)
        return done

    def _bound(self, service: object) -> grpc.GenericRpcHandler:
        described = described_by(service)
        return grpc.method_handlers_generic_handler(
            described.full_name,
            {
                method.name: grpc.unary_unary_rpc_method_handler(
                    self._call(method, service),
                    response_serializer=GetMessageClass(method.output_type).SerializeToString,
                )
                for method in described.methods
                if hasattr(service, method.name) and (self._alpha or not is_alpha(method))
            },
        )

    def _call(self, method: MethodDescriptor, service: object) -> Call:
        rpc = Rpc(
            f"/{method.containing_service.full_name}/{method.name}",
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
            getattr(service, method.name),
        )
        threads = self._spare if is_quick(method.name) else None
        return Call(rpc, self._gate, self._observer, threads)


def described_by(service: object) -> ServiceDescriptor:
    """The service of the protocol that ``service`` is named after.

    Raises TypeError if there is none, or if it offers an RPC that the protocol does not have.
    """
    known: Mapping[str, ServiceDescriptor] = csi_pb2.DESCRIPTOR.services_by_name
    name = type(service).__name__
    if name not in known:
        raise TypeError(f"CSI has no service {name}; it has {', '.join(known)}")
    offered = {member for member in dir(service) if member[0].isupper()}
    if unknown := offered - set(known[name].methods_by_name):
        raise TypeError(f"{known[name].full_name} has no {', '.join(sorted(unknown))}")
    return known[name]


def is_alpha(method: MethodDescriptor) -> bool:
    """Whether the protocol marks the RPC as one that may still change."""
    return method.GetOptions().Extensions[csi_pb2.alpha_method]


def is_quick(name: str) -> bool:
    """Whether the RPC is one that reads and never waits for a change to finish."""
    return name == "Probe" or "Get" in name
