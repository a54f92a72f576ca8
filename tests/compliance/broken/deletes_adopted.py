"""It deletes what it was given no leave to delete."""

from broken.managing import ManagingDriver
from broken.right import RightDriver

from drivers import interface
from drivers.model import VolumeId


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def delete_volume(self, volume_id: VolumeId) -> None:
        RightDriver.delete_volume(self, volume_id)
