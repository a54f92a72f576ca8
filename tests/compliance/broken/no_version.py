"""It has no version."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right but for one thing."""

    VERSION = ""
