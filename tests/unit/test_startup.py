"""The node process starts fast and stays small: one is on every node, and kubelet waits for it."""

import json
import subprocess
import sys
from dataclasses import dataclass

import pytest

# User and system time: seconds on the clock belong to whatever else the machine does.
PROGRAM = """
import json, resource, sys
import csi.app.node
used = resource.getrusage(resource.RUSAGE_SELF)
# ru_maxrss begins with what the parent had at the fork; the peak in status begins at the exec.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "modules": sorted({name.partition(".")[0] for name in sys.modules}),
    "seconds": used.ru_utime + used.ru_stime,
    "bytes": int(status["VmHWM"].split()[0]) * 1024,
}))
"""


@dataclass(frozen=True)
class Start:
    """What a process says of itself."""

    modules: list[str]
    seconds: float
    bytes: int


@pytest.fixture(scope="module")
def starts() -> list[Start]:
    """Three fresh processes that have imported everything that serving needs."""
    command = [sys.executable, "-c", PROGRAM]
    return [Start(**json.loads(subprocess.check_output(command))) for _ in range(3)]


def test_it_imports_no_client_of_kubernetes(starts: list[Start]) -> None:
    modules = starts[0].modules
    assert "grpc" in modules
    assert not {"kubernetes", "kopf", "aiohttp", "pytest"} & set(modules)


def test_it_starts_fast(starts: list[Start]) -> None:
    # 0.35 s where this was written, interpreter included; kubernetes alone would take three times that.
    assert min(start.seconds for start in starts) < 0.9


def test_it_is_small(starts: list[Start]) -> None:
    # 43 MiB where this was written.
    assert max(start.bytes for start in starts) < 64 << 20
