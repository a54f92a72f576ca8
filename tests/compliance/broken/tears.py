"""It copies what is being written, so that the copy shows two moments."""

from __future__ import annotations

import time
from pathlib import Path

from broken.right import RightDriver

from drivers import interface
from drivers.model import Volume, VolumeId


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    def _closed(self, volume_id: VolumeId) -> Volume:
        return self.get_volume(volume_id)

    def _fill(self, source: Path, fresh: Path) -> None:
        # Slow enough that a writer has gone on between the begin and the end.
        with source.open("rb", 0) as read, fresh.open("wb", 0) as written:
            written.write(read.read(1 << 16))
            time.sleep(0.3)
            while piece := read.read(1 << 20):
                written.write(piece)
