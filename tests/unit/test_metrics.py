"""What Prometheus is told, and that its page in the documentation names exactly that."""

import math
import re
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from csi.app import fullness
from csi.metrics import Metrics, Reconciles
from csi.node.usage import Amount, Use
from drivers.exec import Host
from drivers.model import GIB, INFINITE, UNKNOWN, Progress, VolumeStats

PAGE = Path(__file__).parents[2] / "docs/reference/metrics.md"

THIN = VolumeStats(
    driver_version="1.0.0",
    vendor_name="Hearth",
    volume_backend_name="fast",
    storage_protocol="local",
    total_capacity=100 * GIB,
    free_capacity=40 * GIB,
    provisioned_capacity=70 * GIB,
    max_volume_size=40 * GIB,
    data_ratio=0.6,
    metadata_ratio=0.1,
    volumes=3,
    snapshots=2,
    wiping=2,
    unwipeable=1,
    wiped=5 * GIB,
    missing_disks=3,
    degraded=4,
    copied=datetime(2026, 1, 1, tzinfo=UTC),
    uncopied=4.5,
    jobs=[Progress("copy", "vg.1", done=10, total=30), Progress("copy", "vg.2", done=1, total=5)],
)
ODD = VolumeStats(
    driver_version="0.1.0",
    vendor_name='An "odd" one',
    volume_backend_name="odd",
    storage_protocol="iSCSI",
    total_capacity=INFINITE,
    free_capacity=UNKNOWN,
    unhealthy="the array does not answer",
    absent=True,
)

FULL = Use(Amount(total=100, available=25, used=70), Amount(total=10, available=6, used=4))
RAW = Use(Amount(total=50, available=0, used=0))

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(metrics: Metrics) -> Samples:
    families = text_string_to_metric_families(metrics.page().decode())
    samples = [sample for family in families for sample in family.samples]
    found = {(one.name, frozenset(one.labels.items())): one.value for one in samples}
    assert len(found) == len(samples), "a sample is there twice"
    return found


class Known:
    """Two nodes, one of which answers."""

    def connected(self) -> list[tuple[str, bool]]:
        return [("n1", True), ("n2", False)]

    def away(self) -> list[str]:
        return ["n2"]

    def calls(self) -> dict[tuple[str, ...], int]:
        return {("n1", "/csi.v1.Controller/GetCapacity", "OK"): 7}


def full() -> Metrics:
    """Metrics in which every family has a sample."""
    metrics = Metrics("1.2.3")
    metrics.show_backends(lambda: [("fast", THIN), ("odd", ODD)])
    metrics.call_began()
    metrics.call_ended("/csi.v1.Identity/Probe", "OK", 0.1)
    metrics.command_ended("/usr/sbin/lvm", 5, 0.1)
    metrics.cut_ended("fast", "done", 0.004)
    metrics.show_nodes(Known())
    metrics.show_expiry(lambda: datetime(2030, 1, 1, tzinfo=UTC))
    reconciles = Reconciles(metrics)
    reconciles.ended("VolumeImport", "done")
    phases = {("VolumeImport", "Bound"): 2}
    reconciles.show(lambda: phases, lambda: {("fast", "n1", "lost"): 1})
    fullness.show(metrics, lambda: {"B.1": FULL, "B.raw": RAW})
    return metrics


def of(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_a_backend_shows_what_it_knows() -> None:
    samples = scrape(full())
    expected = {
        "total_bytes": 100 * GIB,
        "free_bytes": 40 * GIB,
        "provisioned_bytes": 70 * GIB,
        "max_volume_bytes": 40 * GIB,
        "data_ratio": 0.6,
        "metadata_ratio": 0.1,
        "volumes": 3,
        "snapshots": 2,
        "wiping": 2,
        "unwipeable": 1,
        "wiped_bytes_total": 5 * GIB,
        "missing_disks": 3,
        "degraded": 4,
        "metadata_copy_timestamp_seconds": 1767225600,
        "metadata_uncopied_seconds": 4.5,
        "healthy": 1,
        "absent": 0,
    }
    for name, value in expected.items():
        assert of(samples, f"hearth_backend_{name}", backend="fast") == value, name


def test_a_volume_shows_what_is_known_of_it() -> None:
    samples = scrape(full())
    expected = {"total_bytes": 100, "used_bytes": 70, "total_inodes": 10, "used_inodes": 4}
    for name, value in expected.items():
        assert of(samples, f"hearth_volume_{name}", volume="B.1") == value
    raw = {name for name, labels in samples if ("volume", "B.raw") in labels}
    assert raw == {"hearth_volume_total_bytes"}


def test_jobs_of_a_kind_are_added_up() -> None:
    samples, job = scrape(full()), {"backend": "fast", "job": "copy"}
    assert of(samples, "hearth_jobs", **job) == 2
    assert of(samples, "hearth_job_done_bytes", **job) == 11
    assert of(samples, "hearth_job_total_bytes", **job) == 35


def test_unknown_is_absent_infinite_is_inf_and_unhealthy_is_zero() -> None:
    samples = scrape(full())
    assert of(samples, "hearth_backend_total_bytes", backend="odd") == math.inf
    assert of(samples, "hearth_backend_healthy", backend="odd") == 0
    assert of(samples, "hearth_backend_absent", backend="odd") == 1
    for name in ("free_bytes", "max_volume_bytes", "data_ratio", "metadata_ratio"):
        assert of(samples, f"hearth_backend_{name}", backend="odd") is None, name


def test_a_backend_says_what_it_is() -> None:
    labels = {
        "backend": "odd",
        "driver_version": "0.1.0",
        "vendor_name": 'An "odd" one',
        "volume_backend_name": "odd",
        "storage_protocol": "iSCSI",
    }
    assert of(scrape(full()), "hearth_backend_info", **labels) == 1


def test_every_scrape_asks_the_backends_again() -> None:
    metrics, backends = Metrics("1.2.3"), [("fast", THIN)]
    metrics.show_backends(lambda: backends)
    assert of(scrape(metrics), "hearth_backend_volumes", backend="fast") == 3
    backends.clear()
    assert of(scrape(metrics), "hearth_backend_volumes", backend="fast") is None


def test_real_programs_are_measured_under_their_names() -> None:
    metrics = Metrics("1.2.3")
    run = Host(observe=metrics.command_ended)
    run(["true"])
    run(["/bin/false"], ok=[1])
    run(["sh", "-c", "kill -9 $$"], ok=[-9])
    samples = scrape(metrics)
    for program, code in (("true", "0"), ("false", "1"), ("sh", "-9")):
        assert of(samples, "hearth_command_seconds_count", program=program, code=code) == 1


def test_which_nodes_are_connected_and_when_the_certificate_expires() -> None:
    samples = scrape(full())
    assert of(samples, "hearth_node_connected", node="n1") == 1
    assert of(samples, "hearth_node_connected", node="n2") == 0
    assert of(samples, "hearth_nodes_away") == 1
    called = {"node": "n1", "method": "/csi.v1.Controller/GetCapacity", "code": "OK"}
    assert of(samples, "hearth_node_calls_total", **called) == 7
    assert of(samples, "hearth_certificate_expiry_timestamp_seconds") == 1893456000


def test_the_pause_of_a_cut_is_told_where_there_was_one() -> None:
    metrics = full()
    metrics.cut_ended("fast", "aborted", None)
    samples = scrape(metrics)
    assert of(samples, "hearth_group_cuts_total", backend="fast", result="done") == 1
    assert of(samples, "hearth_group_cuts_total", backend="fast", result="aborted") == 1
    assert of(samples, "hearth_group_cut_pause_seconds_bucket", backend="fast", le="0.005") == 1
    assert of(samples, "hearth_group_cut_pause_seconds_count", backend="fast") == 1


def test_orphans_are_counted_by_backend_node_and_kind() -> None:
    labels = {"backend": "fast", "node": "n1", "kind": "lost"}
    assert of(scrape(full()), "hearth_orphans", **labels) == 1


def test_two_instances_share_nothing() -> None:
    first, second = Metrics("1.2.3"), Metrics("1.2.3")
    first.call_began()
    assert of(scrape(second), "hearth_rpc_in_flight") == 0


def test_the_version_is_told() -> None:
    [(_, labels)] = [key for key in scrape(full()) if key[0] == "hearth_build_info"]
    assert dict(labels)["version"] == "1.2.3"


def exposed() -> dict[str, tuple[str, frozenset[str]]]:
    """Name, type and labels of every family, as a scrape shows them."""
    lines = full().page().decode()
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", lines, re.MULTILINE))
    labels: dict[str, frozenset[str]] = {}
    for name, pairs in scrape(full()):
        family = re.sub(r"_(bucket|sum|count)$", "", name) if name not in kinds else name
        keys = frozenset(key for key, _ in pairs) - {"le"}
        labels[family] = labels.get(family, keys) | keys
    assert labels.keys() == kinds.keys()
    return {name: (kind, labels[name]) for name, kind in kinds.items()}


def documented() -> dict[str, tuple[str, frozenset[str]]]:
    rows = re.findall(r"^\| `(hearth_\w+)` \| (\w+) \|([^|]*)\|", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len({name for name, _, _ in rows})
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_the_reference_page_names_every_metric_its_type_and_labels_and_no_other() -> None:
    assert documented() == exposed()
