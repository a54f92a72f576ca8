"""It says of every volume that it could be let go of."""

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
        if rehearse and volume_id in self._volumes():
            return Reference(name or self._file(volume_id).stem)
        return super().unmanage(volume_id, name)
