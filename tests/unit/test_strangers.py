"""Whatever a stranger sends to the Controller service, the answer is never that Hearth has a bug."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csi.controller.servicer import Controller
from csi.spec import csi_pb2 as pb
from tests.fakes.bench import Bench, Options, bench
from tests.fakes.memory import MemoryDriver, MemoryOptions, PlainDriver
from tests.fakes.messages import messages

BACKENDS: Options = {
    "fast": (MemoryDriver, MemoryOptions(backend_id="aaa")),
    "slow": (PlainDriver, MemoryOptions(backend_id="bbb")),
}
SERVICE = pb.DESCRIPTOR.services_by_name["Controller"]
RPCS = sorted(name for name in SERVICE.methods_by_name if hasattr(Controller, name))
WORDS = [
    *("hearth-csi.io/backend", "hearth-csi.io/layout", "hearth-csi.io/mkfs-options"),
    *("csi.storage.k8s.io/fstype", "topology.hearth-csi.io/node"),
    *("fast", "slow", "linear", "ext4", "xfs", "n1", "-m 0", "noatime"),
    *("aaa.volume-000001", "aaa.snapshot-000002", "bbb.volume-000001", "ccc.x"),
    *("../../etc", "a/b.c", "v", "s", "\x00", "\N{RIGHT-TO-LEFT OVERRIDE}", "x" * 129),
]
BUGS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)


@pytest.fixture(scope="module")
def running() -> Iterator[Bench]:
    with bench(BACKENDS, alpha=True) as started:
        for name in BACKENDS:
            volume = started.create(name, parameters={"hearth-csi.io/backend": name})
            if name == "fast":
                started.snapshot("s", volume)
        yield started


def call(running: Bench, rpc: str, request: Message) -> grpc.RpcError | None:
    try:
        getattr(running.client.controller, rpc)(request, timeout=5)
    except grpc.RpcError as error:
        return error
    return None


@pytest.mark.parametrize("rpc", RPCS)
@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_stranger_finds_no_bug(running: Bench, rpc: str, data: st.DataObject) -> None:
    request = data.draw(messages(SERVICE.methods_by_name[rpc].input_type, WORDS))
    failure = call(running, rpc, request)
    if failure is not None:
        assert failure.code() not in BUGS, f"{request}: {failure.details()}"
        assert failure.details()
