"""Not the driver is wrong but the kit: an interface has got a method that no test looks at."""

from __future__ import annotations

import abc

from broken.right import RightDriver

from drivers import interface


@abc.abstractmethod
def levitate(self: interface.VolumeDriver) -> None:
    """Let the volume rise."""


interface.VolumeDriver.levitate = levitate
abc.update_abstractmethods(interface.VolumeDriver)


@interface.volumedriver("broken")
class Driver(RightDriver):
    """Right in every way."""

    def levitate(self) -> None:
        """It rises."""
