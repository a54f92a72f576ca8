"""A volume of its own that goes back to somebody else's snapshot is somebody else's from then on."""

from broken.managing import ManagingDriver

from drivers import interface
from drivers.model import Content, Snapshot, Volume


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def _shown(self, _volume: Volume, snapshot: Snapshot) -> Content:
        return snapshot.content
