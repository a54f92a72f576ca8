"""What is wrong with a volume or a backend as seen from this node. Answers from memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from csi.node.mounts import Mounts, NoPlace
from drivers.backends import Backends
from drivers.errors import Absent, NotFound
from drivers.model import VolumeId

NEARLY_FULL = 0.95
"""The fill of a thin pool, of data or of metadata, that is reported."""


class Severity(Enum):
    """How bad it is."""

    DEGRADED = "degraded"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong: a CamelCase word for machines, a sentence for people."""

    severity: Severity
    reason: str
    message: str


class Health:
    """Looks for what is wrong with this node's backends, and the volumes shown on it."""

    def __init__(self, backends: Backends, mounts: Mounts) -> None:
        self._backends = backends
        self._mounts = mounts

    def storage(self) -> Sequence[Trouble]:
        """The troubles of all backends; a backend whose storage is not on this node has none."""
        return [*self._unusable(), *self._nearly_full()]

    def volume(self, volume_id: VolumeId, path: Path | None) -> Sequence[Trouble]:
        """The troubles of a volume shown at ``path`` (None: anywhere).

        Raises `NotFound` if it is not known, or not there.
        """
        backend = self._backends.owner(volume_id)
        if trouble := self._backends.trouble(backend):
            return [Trouble(Severity.UNREACHABLE, "BackendUnavailable", str(trouble))]
        backend.driver.get_volume(volume_id)
        return list(self._remounted(path)) if path else []

    def _remounted(self, path: Path) -> Iterator[Trouble]:
        try:
            with self._mounts.place(path) as place:
                found = self._mounts.at(place)
        except NoPlace:
            found = None
        if found is None:
            raise NotFound(f"nothing is mounted at {path}")
        # Never mounted so by us, whatever a pod asks for: the kernel does it to save what is left.
        if "ro" in found.super_options and found.fs_type != "devtmpfs":
            yield Trouble(
                Severity.DEGRADED,
                "FilesystemReadOnly",
                f"the {found.fs_type} at {path} met errors and takes no more writes; see the"
                " kernel's log, unmount and check it",
            )

    def _unusable(self) -> Iterator[Trouble]:
        for backend in self._backends:
            trouble = self._backends.trouble(backend)
            if trouble is not None and not isinstance(trouble, Absent):
                yield Trouble(Severity.UNREACHABLE, "BackendUnavailable", str(trouble))

    def _nearly_full(self) -> Iterator[Trouble]:
        for backend in self._backends:
            stats = self._backends.stats(backend, {}, refresh=False)
            ratios = {"data": stats.data_ratio, "metadata": stats.metadata_ratio} if stats else {}
            for what, ratio in ratios.items():
                if ratio is not None and ratio >= NEARLY_FULL:
                    message = f"the {what} of backend {backend.name!r} is {ratio:.0%} full"
                    yield Trouble(Severity.DEGRADED, "PoolNearlyFull", f"{message}; extend it")
