"""It gives what it takes over a name of its own."""

from pathlib import Path

from broken.managing import ManagingDriver

from drivers import interface
from drivers.model import Snapshot, Volume


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def _record(self, file: Path, record: Volume | Snapshot) -> None:
        super()._record(file, record)
        file.rename(file.with_stem(record.id.partition(".")[2]))
