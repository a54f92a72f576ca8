"""It takes over and lets go as it should."""

from broken.managing import ManagingDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """A right driver under the name of the broken ones."""
