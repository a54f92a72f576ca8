"""It hands an object to whoever asks, though it is somebody's already."""

from pathlib import Path

from broken.managing import ManagingDriver

from drivers import interface
from drivers.manageable import AdoptionSpec, Reference
from drivers.model import Adoption


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def _require_same(
        self, adopted: Adoption | None, owner: str, file: Path, reference: Reference
    ) -> None:
        pass

    def _refuse(self, file: Path, spec: AdoptionSpec) -> None:
        if not self._kept(file):
            super()._refuse(file, spec)
