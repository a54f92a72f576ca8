"""It wants the name of another driver."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface


@interface.volumedriver("toy")
class Driver(RightDriver):
    """Right but for one thing."""

    VENDOR_NAME = "Nobody"
