"""It forgets that it took a volume over when its content is recorded, or it grows."""

from dataclasses import replace
from pathlib import Path

from broken.managing import ManagingDriver

from drivers import interface
from drivers.model import Snapshot, Volume


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def _record(self, file: Path, record: Volume | Snapshot) -> None:
        super()._record(file, replace(record, adopted=None))
