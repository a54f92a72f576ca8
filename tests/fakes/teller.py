"""A driver that has something to tell of everything that stats can tell, for processes of their own.

It is known to a process that a test starts with an entry point for it, and to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from drivers.interface import volumedriver
from drivers.model import GIB, Progress, VolumeStats
from tests.fakes.memory import MemoryDriver


@volumedriver("teller")
class TellingDriver(MemoryDriver):
    """Volumes in memory, and a copy, a wipe and a lost disk that never come to an end."""

    def do_setup(self) -> None:
        super().do_setup()
        self.run(["true"])
        self.run(["false"], ok=[1])

    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        told = super().get_volume_stats(options, refresh=refresh)
        return replace(
            told,
            wiping=1,
            wiped=GIB,
            degraded=1,
            copied=datetime.now(UTC),
            uncopied=0.0,
            jobs=[Progress("copy", f"{self.options.backend_id}.1", done=GIB, total=2 * GIB)],
        )
