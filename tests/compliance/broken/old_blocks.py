"""A new volume is not all zeros, and does not promise to be: nothing is wrong with that."""

from broken.right import OldBlocksDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(OldBlocksDriver):
    """A right driver under the name of the broken ones."""
