"""It takes no notice of what it took over already."""

from broken.managing import ManagingDriver

from drivers import interface
from drivers.manageable import AdoptionSpec, Reference
from drivers.model import Volume


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def manage_existing(self, spec: AdoptionSpec, reference: Reference) -> Volume:
        self._refuse(self._meant(reference, "raw"), spec)
        return super().manage_existing(spec, reference)
