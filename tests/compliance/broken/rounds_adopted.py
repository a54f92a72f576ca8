"""It takes a volume over with the size in whole mebibytes less one byte, as if it had been printed."""

from broken.managing import ManagingDriver

from drivers import interface
from drivers.manageable import Reference


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def manage_existing_get_size(self, reference: Reference) -> int:
        return round(super().manage_existing_get_size(reference) / 1e9, 2) * 10**9
