"""A gRPC server behind one door, its services bound from the protocols' own descriptions.

The generated servicers are untyped and answer an RPC that nobody wrote by raising. Here a service is a
plain class named as in the ``.proto``; what it lacks is UNIMPLEMENTED by gRPC itself, and a method
that the protocol does not know stops the start.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from csi.rpc.call import Call, Observer, Rpc, serialized
from csi.rpc.door import Admit, Door, everybody
from csi.rpc.gate import Gate
from csi.rpc.stream import Stream
from csi.rpc.upload import Upload
from csi.spec import csi_pb2, manage_pb2, registration_pb2

SERVICES: Mapping[str, ServiceDescriptor] = MappingProxyType(
    {
        name: service
        for spec in (csi_pb2, manage_pb2, registration_pb2)
        for name, service in spec.DESCRIPTOR.services_by_name.items()
    }
)

# The provisioner asks for 100 volumes at once, snapshotter and resizer for 10 each, kubelet for the
# volumes of every pod that starts. gRPC queues what is more, silently.
WORKERS = 160
# For what must be answered while all of them wait for storage.
SPARE = 32

# What gRPC may need to send the last answers after the calls themselves have ended.
LAST_WORDS = 1.0


# A router looks after each of its connections; gRPC would cut off one who asks so often.
OPTIONS = (
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # Else two installations on the host's network would share a port, and take turns in getting calls.
    ("grpc.so_reuseport", 0),
)


class Server:
    """Serves ``services`` at ``door`` from `start` until `stop`, to whom ``admit`` lets in."""

    def __init__(
        self,
        door: Door,
        services: Sequence[object],
        observer: Observer,
        *,
        alpha: bool = False,
        admit: Admit = everybody,
    ) -> None:
        self._door = door
        self._gate = Gate()
        self._observer = observer
        self._alpha = alpha
        self._admit = admit
        self._spare = ThreadPoolExecutor(SPARE, thread_name_prefix="quick")
        workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="rpc")
        handlers = [self._bound(one) for one in services]
        self._grpc = grpc.server(workers, handlers=handlers, options=OPTIONS)

    def start(self) -> None:
        """Listen and serve. Raises what the door does if one cannot."""
        self._door.bind(self._grpc)
        self._grpc.start()

    def stop(self, grace: float) -> bool:
        """Turn new calls away and wait for the others; whether all ended within ``grace`` seconds.

        The socket is given up last. Calls that go on after that are cut off from their callers, who
        will repeat them.
        """
        end = time.monotonic() + grace
        done = self._gate.close(grace)
        left = max(0.0, end - time.monotonic())
        with self._door.leaving():
            self._grpc.stop(left + LAST_WORDS if done else left).wait()
        self._spare.shutdown(wait=False)
        return done

    def _bound(self, service: object) -> grpc.GenericRpcHandler:
        described = described_by(service)
        return grpc.method_handlers_generic_handler(
            described.full_name,
            {
                method.name: self._handler(method, service)
                for method in described.methods
                if hasattr(service, method.name) and (self._alpha or not is_alpha(method))
            },
        )

    def _handler(
        self, method: MethodDescriptor, service: object
    ) -> grpc.RpcMethodHandler[bytes, Message | bytes]:
        rpc = Rpc(
            f"/{method.containing_service.full_name}/{method.name}",
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
            getattr(service, method.name),
            passes=getattr(service, "passes", False),
        )
        threads = self._spare if is_quick(method.name) else None
        if method.client_streaming:
            upload = Upload(rpc, self._gate, self._observer, admit=self._admit)
            return grpc.stream_unary_rpc_method_handler(upload, response_serializer=serialized)
        if method.server_streaming:
            stream = Stream(rpc, self._gate, self._observer, self._admit)
            return grpc.unary_stream_rpc_method_handler(stream, response_serializer=serialized)
        call = Call(rpc, self._gate, self._observer, threads, self._admit)
        return grpc.unary_unary_rpc_method_handler(call, response_serializer=serialized)


def described_by(service: object) -> ServiceDescriptor:
    """The service of the protocol that ``service`` is named after.

    Raises TypeError if there is none, or if it offers an RPC that the protocol does not have.
    """
    name = type(service).__name__
    if name not in SERVICES:
        raise TypeError(f"CSI has no service {name}; known are {', '.join(SERVICES)}")
    described = SERVICES[name]
    offered = {member for member in dir(service) if member[0].isupper()}
    if unknown := offered - set(described.methods_by_name):
        raise TypeError(f"{described.full_name} has no {', '.join(sorted(unknown))}")
    return described


def is_alpha(method: MethodDescriptor) -> bool:
    """Whether the protocol marks the RPC as one that may still change."""
    return method.GetOptions().Extensions[csi_pb2.alpha_method]


def is_quick(name: str) -> bool:
    """Whether the RPC is one that reads and never waits for a change to finish."""
    return name == "Probe" or "Get" in name
