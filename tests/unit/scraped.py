"""`hearth node` and `hearth controller` as processes, and a real Prometheus that scrapes them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import grpc
import yaml

from csi.app.life import Status, pages
from csi.metrics import Metrics, Reconciles
from csi.rpc.client import Client
from csi.spec import csi_pb2
from csi.web import Web
from tests.fakes.bench import wanted
from tests.fakes.certificates import Authority
from tests.unit.chart import ROOT
from tests.unit.prometheus import program, write_rules

DRIVER = "hearth-csi.io"
NAMESPACE = "hearth-csi"
PATIENCE = 100.0
"""Seconds for what takes two on an idle machine."""


@dataclass
class Place:
    """A directory with all that the processes need, and the ports that they were given."""

    home: Path
    ports: dict[str, int] = field(default_factory=dict)

    def address(self, what: str) -> str:
        """Where something listens."""
        return f"127.0.0.1:{self.ports[what]}"

    def prepare(self) -> None:
        """Configurations, certificates, and an entry point for a driver that tells everything."""
        authority = Authority()
        for role in ("node", "controller"):
            authority.issue(self.home / role, f"{role}.{DRIVER}")
        backend = {"name": "fast", "driver": "teller"}
        node = {"node": "n1", "kubeletDirectory": str(self.home), "backends": [backend]}
        (self.home / "node.yaml").write_text(yaml.safe_dump(node))
        controller = {"service": "hearth-node", "namespace": NAMESPACE}
        (self.home / "controller.yaml").write_text(yaml.safe_dump(controller))
        metadata = self.home / "hearth_teller-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: hearth-teller\nVersion: 1.0\n"
        )
        point = "[hearth.drivers]\nteller = tests.fakes.teller\n"
        (metadata / "entry_points.txt").write_text(point)
        self.ports = dict(zip(("grpc", "node", "controller", "prometheus"), free(4), strict=True))

    def hearth(self, role: str, *arguments: str) -> list[str]:
        """The command of one process."""
        return [
            *(sys.executable, "-m", "csi", role),
            *("--config", str(self.home / f"{role}.yaml"), "--tls", str(self.home / role)),
            *("--http", self.address(role), "--endpoint", f"unix://{self.home}/{role}.sock"),
            *arguments,
        ]

    def prometheus(self, operator: int) -> list[str]:
        """The command of Prometheus; labels are those that the ServiceMonitor adds."""
        node = scraped("node", self.address("node"), node="n1")
        jobs = [node, scraped("controller", self.address("controller"))]
        jobs.append(scraped("operator", f"127.0.0.1:{operator}"))
        file = self.home / "prometheus.yaml"
        rule_file = write_rules(self.home / "rules.yaml")
        clock = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        content = {"global": clock, "rule_files": [str(rule_file)], "scrape_configs": jobs}
        file.write_text(yaml.safe_dump(content))
        return [
            program("prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={self.home / 'data'}",
            f"--web.listen-address={self.address('prometheus')}",
        ]


def scraped(role: str, target: str, **labels: str) -> Mapping[str, Any]:
    """A job of Prometheus."""
    labels = {"namespace": NAMESPACE, "pod": f"hearth-{role}-0", **labels}
    return {
        "job_name": f"hearth-{role}",
        "static_configs": [{"targets": [target], "labels": labels}],
    }


@dataclass(frozen=True)
class Prometheus:
    """Its API."""

    address: str

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer.

        Raises `OSError` while it starts, and `AssertionError` with what it says of a mistake.
        """
        query = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(
                f"http://{self.address}/api/v1/{path}?{query}", timeout=10
            ) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                raise ConnectionError("it is still starting") from None
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def is_fed(self) -> bool:
        """Whether every target was scraped twice, so that rates have something to go by."""
        try:
            counts = self.get("query", query="count_over_time(up[1h])")["result"]
            unhappy = self.get("query", query="up == 0")["result"]
        except OSError:
            return False
        return not unhappy and sum(int(each["value"][1]) > 2 for each in counts) == 3


@contextmanager
def prometheus() -> Iterator[Prometheus]:
    """A Prometheus that has scraped everything there is to be scraped."""
    # Not pytest's directory: the path of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="hearth-") as directory, ExitStack() as running:
        place = Place(Path(directory))
        place.prepare()
        log = running.enter_context((place.home / "log").open("ab"))
        remote = ("--listen", place.address("grpc"))
        registration = ("--registration", f"unix://{place.home}/reg.sock")
        start(running, place, place.hearth("node", *remote, *registration), log)
        known = ("--node", f"n1={place.address('grpc')}")
        start(running, place, place.hearth("controller", *known), log)
        call(f"unix://{place.home}/controller.sock")
        start(running, place, place.prometheus(operator(running)), log)
        found = Prometheus(place.address("prometheus"))
        until(found.is_fed, place.home / "log")
        yield found


def start(running: ExitStack, place: Place, command: list[str], log: Any) -> None:
    """Begin a process, and end it with the test."""
    path = os.pathsep.join([str(ROOT), str(place.home)])
    environment = {**os.environ, "PYTHONPATH": path}
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    running.callback(process.wait)
    running.callback(process.terminate)


def operator(running: ExitStack) -> int:
    """The port of what an operator will show: the families are made by the code, the numbers here."""
    metrics = Metrics("1.2.3")
    reconciles = Reconciles(metrics)
    reconciles.ended("VolumeImport", "done")
    phases = {("VolumeImport", "Bound"): 1}
    reconciles.show(lambda: phases, lambda: {("fast", "n1", "volume"): 1})
    web = Web("127.0.0.1:0", pages(metrics, Status(lambda: True), ""))
    web.start()
    running.callback(web.stop)
    return web.port


def call(endpoint: str) -> None:
    """Make a volume, and ask for what there is not, so that there are calls to count."""
    with Client(endpoint) as client:
        created = client.controller.CreateVolume(wanted("v"), timeout=PATIENCE, wait_for_ready=True)
        volume_id = created.volume.volume_id
        absent = csi_pb2.ControllerExpandVolumeRequest(
            volume_id=f"{volume_id.partition('.')[0]}.absent",
            capacity_range=csi_pb2.CapacityRange(required_bytes=1),
        )
        # The controller refuses the first, a node the second.
        refused(client.controller.CreateVolume, wanted(""))
        refused(client.controller.ControllerExpandVolume, absent)


def refused(rpc: Callable[..., object], request: object) -> None:
    """Ask for what there is not."""
    try:
        rpc(request, timeout=PATIENCE)
    except grpc.RpcError:
        return
    raise AssertionError(f"{request} was granted")


def free(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def until(is_so: Callable[[], bool], log: Path) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < end, log.read_text()[-4000:]
        time.sleep(0.2)
