"""It freezes several volumes together as it should."""

from broken.grouping import GroupingDriver

from drivers import interface


@interface.volumedriver("broken")
class Driver(GroupingDriver):
    """A right driver under the name of the broken ones."""
