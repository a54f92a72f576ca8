"""What Hearth tells Prometheus, and the only module that knows Prometheus.

Everything is answered from memory: counters that calls and programs move, and what the drivers
remember of their backends. A scrape starts no program and waits for no lock, so it works while LVM
hangs, which is when it is needed.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from datetime import datetime
from pathlib import PurePath
from types import MappingProxyType
from typing import Protocol

import prometheus_client as prometheus
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from drivers.model import INFINITE, Capacity, Special, VolumeStats

CONTENT_TYPE = prometheus.CONTENT_TYPE_LATEST

# A read takes milliseconds, a copy minutes; the sidecars' own deadlines are 10 s to 2 min.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)

# Writers are held for some milliseconds, and a cut is broken off after a second.
PAUSES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)

Backends = Callable[[], Iterable[tuple[str, VolumeStats]]]
"""Gives each backend's name and state, from memory. Must not raise: ``unhealthy`` is for that."""

Values = Callable[[], Mapping[tuple[str, ...], float]]
"""Gives numbers by the values of their labels, from memory."""


class Nodes(Protocol):
    """Who knows the nodes, and answers from memory: `csi.router.nodes.Nodes`."""

    def connected(self) -> Iterable[tuple[str, bool]]: ...

    def away(self) -> Sized: ...

    def calls(self) -> Mapping[tuple[str, ...], int]: ...


Value = Capacity | float | None

STATE: Mapping[str, tuple[str, Callable[[VolumeStats], Value]]] = MappingProxyType(
    {
        "total_bytes": ("Size of the backend.", lambda stats: stats.total_capacity),
        "free_bytes": ("Room that is left on the backend.", lambda stats: stats.free_capacity),
        "provisioned_bytes": (
            "Sum of the sizes of all volumes.",
            lambda stats: stats.provisioned_capacity,
        ),
        "max_volume_bytes": (
            "The largest volume that can be created now.",
            lambda stats: stats.max_volume_size,
        ),
        "data_ratio": ("Fill of the thin pool, 0 to 1.", lambda stats: stats.data_ratio),
        "metadata_ratio": (
            "Fill of the thin pool's metadata, 0 to 1.",
            lambda stats: stats.metadata_ratio,
        ),
        "volumes": ("Finished volumes.", lambda stats: stats.volumes),
        "snapshots": ("Finished snapshots.", lambda stats: stats.snapshots),
        "wiping": ("Deleted volumes that are still to be wiped.", lambda stats: stats.wiping),
        "unwipeable": (
            "Deleted volumes that could not be wiped when that was last tried.",
            lambda stats: stats.unwipeable,
        ),
        "missing_disks": ("Disks of the backend that are away.", lambda stats: stats.missing_disks),
        "degraded": (
            "Volumes and pools that have lost a copy of their data.",
            lambda stats: stats.degraded,
        ),
        "metadata_copy_timestamp_seconds": (
            "When the metadata were last copied, in seconds since 1970.",
            lambda stats: stats.copied.timestamp() if stats.copied else None,
        ),
        "metadata_uncopied_seconds": (
            "For how long a change of the metadata has waited to be copied.",
            lambda stats: stats.uncopied,
        ),
        "healthy": ("1 if the backend serves, else 0.", lambda stats: int(not stats.unhealthy)),
        "absent": ("1 if the storage is not on this node.", lambda stats: int(stats.absent)),
    }
)

INFO = ("driver_version", "vendor_name", "volume_backend_name", "storage_protocol")


class Metrics:
    """All metrics of one process, in a registry of their own."""

    def __init__(self, version: str) -> None:
        """``version`` is Hearth's."""
        # Moments of creation would double the number of series and answer no question.
        prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
        registry = self.registry = prometheus.CollectorRegistry()
        self._calls = prometheus.Counter(
            "hearth_rpc_total", "Calls that have ended.", ["method", "code"], registry=registry
        )
        self._call_seconds = prometheus.Histogram(
            "hearth_rpc_seconds",
            "Duration of calls.",
            ["method"],
            buckets=SECONDS,
            registry=registry,
        )
        self._in_flight = prometheus.Gauge(
            "hearth_rpc_in_flight", "Calls that have begun and not ended.", registry=registry
        )
        self._command_seconds = prometheus.Histogram(
            "hearth_command_seconds",
            "Duration of programs that were run; code is the exit status, negative for a signal.",
            ["program", "code"],
            buckets=SECONDS,
            registry=registry,
        )
        self._cuts = prometheus.Counter(
            "hearth_group_cuts_total",
            "Cuts through several volumes that have ended; result is done, or the kind of failure.",
            ["backend", "result"],
            registry=registry,
        )
        self._pauses = prometheus.Histogram(
            "hearth_group_cut_pause_seconds",
            "For how long writers were held by cuts that were done.",
            ["backend"],
            buckets=PAUSES,
            registry=registry,
        )
        build = prometheus.Info("hearth_build", "What is running.", registry=registry)
        build.info({"version": version, "python": platform.python_version()})

    def call_began(self) -> None:
        """A call has come in."""
        self._in_flight.inc()

    def call_ended(self, method: str, code: str, seconds: float) -> None:
        """A call of ``method`` has ended with the gRPC ``code``."""
        self._in_flight.dec()
        self._calls.labels(method, code).inc()
        self._call_seconds.labels(method).observe(seconds)

    def command_ended(self, program: str, code: int, seconds: float) -> None:
        """A program has ended; this is the `drivers.exec.Observe` of the real door."""
        self._command_seconds.labels(PurePath(program).name, str(code)).observe(seconds)

    def cut_ended(self, backend: str, result: str, pause: float | None) -> None:
        """A group cut has ended; this is the `csi.controller.groups.Observe` of a node."""
        self._cuts.labels(backend, result).inc()
        if pause is not None:
            self._pauses.labels(backend).observe(pause)

    def show_backends(self, backends: Backends) -> None:
        """From now on every scrape asks ``backends``."""
        self.registry.register(_BackendCollector(backends))

    def show_expiry(self, expires: Callable[[], datetime]) -> None:
        """From now on every scrape tells when this process's certificate expires."""
        text = "When the certificate in use expires, in seconds since 1970."
        name = "hearth_certificate_expiry_timestamp_seconds"
        self.show(name, text, (), lambda: {(): expires().timestamp()})

    def show_nodes(self, nodes: Nodes) -> None:
        """From now on every scrape tells which ``nodes`` are connected, and what they were asked."""
        self.registry.register(_NodeCollector(nodes))

    def show(self, name: str, text: str, labels: tuple[str, ...], values: Values) -> None:
        """From now on every scrape asks ``values`` for the samples of a gauge."""
        self.registry.register(_Counted(name, text, labels, values))

    def page(self) -> bytes:
        """Everything, as Prometheus reads it (`CONTENT_TYPE`)."""
        return prometheus.generate_latest(self.registry)


class Reconciles:
    """What an operator adds: its calls, the resources there are, and what is left over."""

    def __init__(self, metrics: Metrics) -> None:
        registry = metrics.registry
        self._ended = prometheus.Counter(
            "hearth_reconciles_total",
            "Resources that were looked after; result is done, or the reason why not.",
            ["kind", "result"],
            registry=registry,
        )
        self._metrics = metrics

    def ended(self, kind: str, result: str) -> None:
        """A resource of ``kind`` was looked after."""
        self._ended.labels(kind, result).inc()

    def show(self, phases: Values, orphans: Values) -> None:
        """From now on every scrape asks both: by kind and phase; by backend, node and kind."""
        text = "Resources by their phase."
        self._metrics.show("hearth_resources", text, ("kind", "phase"), phases)
        text = "What is left over; nobody but a person removes any of it."
        self._metrics.show("hearth_orphans", text, ("backend", "node", "kind"), orphans)


class _Counted(Collector):
    def __init__(self, name: str, text: str, labels: tuple[str, ...], values: Values) -> None:
        self._empty = (name, text, None, labels)
        self._values = values

    def collect(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(*self._empty)
        for labels, value in self._values().items():
            family.add_metric(labels, value)
        yield family


class _BackendCollector(Collector):
    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    def collect(self) -> Iterator[Metric]:
        backends = list(self._backends())
        for name, (text, read) in STATE.items():
            yield _state(name, text, [(backend, read(stats)) for backend, stats in backends])
        yield _wiped(backends)
        yield _info(backends)
        yield from _jobs(backends)


class _NodeCollector(Collector):
    def __init__(self, nodes: Nodes) -> None:
        self._nodes = nodes

    def collect(self) -> Iterator[Metric]:
        text = "1 if the node answers, else 0."
        family = GaugeMetricFamily("hearth_node_connected", text, labels=["node"])
        for name, connected in self._nodes.connected():
            family.add_metric([name], int(connected))
        yield family
        text = "Nodes without which nothing is listed: they do not answer, or left a moment ago."
        yield GaugeMetricFamily("hearth_nodes_away", text, value=len(self._nodes.away()))
        yield self._calls()

    def _calls(self) -> Metric:
        text = "Calls that were passed on to a node and have ended."
        labels = ["node", "method", "code"]
        family = CounterMetricFamily("hearth_node_calls", text, labels=labels)
        for values, count in self._nodes.calls().items():
            family.add_metric(values, count)
        return family


def _state(name: str, text: str, values: Iterable[tuple[str, Value]]) -> Metric:
    family = GaugeMetricFamily(f"hearth_backend_{name}", text, labels=["backend"])
    for backend, value in values:
        if (number := _number(value)) is not None:
            family.add_metric([backend], number)
    return family


def _number(value: Value) -> float | None:
    if isinstance(value, Special):
        return math.inf if value is INFINITE else None
    return value


def _info(backends: Iterable[tuple[str, VolumeStats]]) -> Metric:
    family = GaugeMetricFamily(
        "hearth_backend_info", "What the backend is; always 1.", labels=["backend", *INFO]
    )
    for backend, stats in backends:
        family.add_metric([backend, *(getattr(stats, label) for label in INFO)], 1)
    return family


def _wiped(backends: Iterable[tuple[str, VolumeStats]]) -> Metric:
    text = "Bytes of deleted volumes that were wiped."
    family = CounterMetricFamily("hearth_backend_wiped_bytes", text, labels=["backend"])
    for backend, stats in backends:
        family.add_metric([backend], stats.wiped)
    return family


def _jobs(backends: Iterable[tuple[str, VolumeStats]]) -> Iterator[Metric]:
    """The jobs of a kind together: with a label for each object, series would never end."""
    labels = ["backend", "job"]
    count = GaugeMetricFamily("hearth_jobs", "Jobs under way.", labels=labels)
    done = GaugeMetricFamily("hearth_job_done_bytes", "How far they are.", labels=labels)
    total = GaugeMetricFamily("hearth_job_total_bytes", "How far they have to go.", labels=labels)
    for backend, stats in backends:
        for kind in sorted({job.job for job in stats.jobs}):
            jobs = [job for job in stats.jobs if job.job == kind]
            count.add_metric([backend, kind], len(jobs))
            done.add_metric([backend, kind], sum(job.done for job in jobs))
            total.add_metric([backend, kind], sum(job.total for job in jobs))
    yield from (count, done, total)
