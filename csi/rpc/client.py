"""The other end: a client whose stubs are bound from the protocol's description, as the server's are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from csi.rpc import endpoint
from csi.spec import csi_pb2, manage_pb2

SERVICES = csi_pb2.DESCRIPTOR.services_by_name
MANAGE = manage_pb2.DESCRIPTOR.services_by_name["Manage"]


def stub(channel: grpc.Channel, described: ServiceDescriptor) -> Any:
    """An object with one callable for each RPC of the service: ``(request, timeout=None)``.

    The request of one that is asked by a stream is an iterator, and so is the answer of one that streams.
    """
    return SimpleNamespace(
        **{method.name: _callable(channel, method) for method in described.methods}
    )


def _callable(channel: grpc.Channel, method: MethodDescriptor) -> object:
    calls: Mapping[tuple[bool, bool], Callable[..., object]] = {
        (False, False): channel.unary_unary,
        (False, True): channel.unary_stream,
        (True, False): channel.stream_unary,
        (True, True): channel.stream_stream,
    }
    return calls[method.client_streaming, method.server_streaming](
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )


class Client:
    """The services of one endpoint, ``unix:///path``. Calls raise `grpc.RpcError`."""

    def __init__(self, address: str) -> None:
        self._channel = grpc.insecure_channel(endpoint.target(endpoint.path(address)))
        self.identity = stub(self._channel, SERVICES["Identity"])
        self.controller = stub(self._channel, SERVICES["Controller"])
        self.group_controller = stub(self._channel, SERVICES["GroupController"])
        self.node = stub(self._channel, SERVICES["Node"])
        self.manage = stub(self._channel, MANAGE)

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
