"""Nobody has said what it is."""

from __future__ import annotations

from broken.right import RightDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(RightDriver):
    VENDOR_NAME = "Nobody"
