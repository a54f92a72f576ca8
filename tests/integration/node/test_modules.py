"""A filesystem that the kernel has to load, and one whose module it does not find."""

from __future__ import annotations

from pathlib import Path

import pytest

from csi.node.connections import Connections
from csi.node.detached import Filesystem
from csi.node.mounts import Mounts
from drivers.backends import Backend, Backends
from drivers.errors import MissingModule, Unavailable
from tests.integration import modules
from tests.integration.node.conftest import World

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

OTHER = "f2fs"
"""One that Hearth does not make: those that it makes are built into the lab's kernel."""


def test_its_module_is_named_until_it_is_there(world: World, tmp_path: Path) -> None:
    modules.unload(OTHER)
    told = pytest.raises(MissingModule, match=f"lacks the module {OTHER}, which mounting {OTHER} ")
    with modules.without_any(tmp_path / "modules"), told:
        mount(world)
    assert OTHER not in modules.loaded()
    # The volume holds no such filesystem: the kernel now knows enough to see that.
    with pytest.raises(Unavailable, match="the kernel refuses to mount"):
        mount(world)
    assert OTHER in modules.loaded()
    modules.unload(OTHER)


def mount(world: World) -> None:
    """Mount a volume as if it held the filesystem."""
    volume, mounts = world.volume(), Mounts(world.root, world.run)
    connections = Connections(Backends([Backend(world.driver)]), mounts)
    with (
        connections.device(volume.id) as device,
        mounts.place(world.staging(volume.id)) as place,
    ):
        mounts.mount(Filesystem(OTHER, device), place, ["nodev"])
