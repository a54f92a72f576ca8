"""How full each volume is, for Prometheus: off unless it is asked for, as it is a series for every volume.

The numbers are those that kubelet was told last, some minutes old at most: no scrape waits for a filesystem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from csi.metrics import Metrics, Values
from csi.node.usage import Use

SHOWN: Mapping[str, tuple[str, Callable[[Use], int | None]]] = MappingProxyType(
    {
        "total_bytes": ("Size of the volume's filesystem or device.", lambda use: use.bytes.total),
        "used_bytes": (
            "What of it is used.",
            lambda use: use.bytes.used if use.bytes.used or use.bytes.available else None,
        ),
        "total_inodes": (
            "Inodes that the filesystem can have.",
            lambda use: use.inodes.total if use.inodes else None,
        ),
        "used_inodes": (
            "Inodes that it has.",
            lambda use: use.inodes.used if use.inodes else None,
        ),
    }
)


Last = Callable[[], Mapping[str, Use]]
"""Gives how full volumes are, by their ids, from memory: `csi.node.usage.Usage.last`."""


def show(metrics: Metrics, last: Last) -> None:
    """From now on every scrape tells of every volume that is in use."""
    for name, (text, read) in SHOWN.items():
        metrics.show(f"hearth_volume_{name}", text, ("volume",), _values(last, read))


def _values(last: Last, read: Callable[[Use], int | None]) -> Values:
    def values() -> Mapping[tuple[str, ...], int]:
        found = {(volume_id,): read(use) for volume_id, use in last().items()}
        return {labels: value for labels, value in found.items() if value is not None}

    return values
