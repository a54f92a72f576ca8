"""It lets go in two steps, and takes the first for the whole after a crash."""

from broken.managing import ManagingDriver

from drivers import interface
from drivers.manageable import Reference
from drivers.model import VolumeId


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def unmanage(
        self, volume_id: VolumeId, name: str | None, *, rehearse: bool = False
    ) -> Reference | None:
        if name and volume_id in self._volumes() and self._file(volume_id).stem == name:
            return Reference(name)
        return super().unmanage(volume_id, name, rehearse=rehearse)
