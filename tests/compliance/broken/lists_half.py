"""The second page of its list begins one too late."""

from dataclasses import replace

from broken.managing import ManagingDriver

from drivers import interface
from drivers.manageable import Page, Query


@interface.volumedriver("broken")
class Driver(ManagingDriver):
    """Right but for one thing."""

    def get_manageable_volumes(self, query: Query) -> Page:
        found = super().get_manageable_volumes(query)
        return replace(found, entries=found.entries[1:]) if query.token else found
