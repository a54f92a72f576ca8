"""It swallows misspelt options."""

from __future__ import annotations

from pathlib import Path

import msgspec
from broken.right import RightDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    class Options(msgspec.Struct, frozen=True):
        directory: Path
        capacity: int
