"""It lets go of a volume that has snapshots."""

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
        if volume_id not in self._volumes():
            return None
        return self._let_go(self._file(volume_id), name, rehearse=rehearse)
