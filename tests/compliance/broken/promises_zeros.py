"""It promises zeros where somebody left something."""

from __future__ import annotations

from broken.right import OldBlocksDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(OldBlocksDriver):
    """Right but for one thing."""

    zeroed = True
