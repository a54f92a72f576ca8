"""Nothing is wrong with it: what is found wrong with the others is not the kit's own fault."""

from broken.right import RightDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(RightDriver):
    """The right driver under the name of the broken ones."""
