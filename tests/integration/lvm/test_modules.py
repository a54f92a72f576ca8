"""Modules of the kernel: LVM loads what it needs, and one that is not to be had is named."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from drivers.backends import Backend
from drivers.errors import MissingModule, Unavailable
from drivers.exec import Host
from drivers.lvm.driver import LvmDriver
from drivers.lvm.options import Options
from drivers.model import MIB, SnapshotSpec
from drivers.options import check
from tests.integration import modules
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

TARGETS = ("dm_raid", "dm_snapshot", "dm_thin_pool", "raid1", "raid10")
RAIDS = {"raid1": {"layout": "raid1"}, "raid10": {"layout": "raid10", "stripes": "2"}}


@pytest.fixture(scope="module")
def volume_group() -> Iterator[str]:
    with bench.disks([200 * MIB] * 4) as devices, bench.group(devices, pool="60m") as name:
        yield name


@pytest.fixture(autouse=True)
def _bare_kernel(volume_group: str) -> None:
    """As after a boot: nothing is active, and no target is loaded that is not built in."""
    bench.sh("lvm", "vgchange", "--activate", "n", volume_group)
    modules.unload(*TARGETS)


def lacks(module: str) -> AbstractContextManager[object]:
    """What is called in the block is refused for want of a module."""
    return pytest.raises(MissingModule, match=f"run `modprobe {module}` on the node")


@pytest.mark.parametrize("layout", RAIDS)
def test_what_a_volume_needs_is_loaded(layout: str) -> None:
    with bench.backend() as backend:
        assert not modules.loaded() & set(TARGETS)
        volume = backend.create("data", 8 * MIB, **RAIDS[layout])
        assert {"dm_raid", layout} <= modules.loaded()
        backend.driver.delete_volume(volume.id)
        backend.drained()


def test_the_set_up_loads_what_the_pool_and_the_default_layout_need() -> None:
    with bench.backend(thinPools=["pool"]):
        assert "dm_thin_pool" in modules.loaded()
    with bench.backend(layout="raid1"):
        assert "dm_raid" in modules.loaded()


@pytest.mark.parametrize("layout", RAIDS)
def test_a_missing_target_is_named_until_it_is_there(layout: str, tmp_path: Path) -> None:
    options = RAIDS[layout]
    with bench.backend() as backend:
        with modules.without_any(tmp_path / "modules"):
            assert backend.driver.get_volume_stats(options, refresh=True).max_volume_size == 0
            for _ in range(2):
                with pytest.raises(
                    MissingModule, match=f"the module dm_raid, which LVM needs for {layout}"
                ):
                    backend.create("data", 8 * MIB, **options)
            assert bench.lvs() == {}
        assert backend.driver.get_volume_stats(options, refresh=True).max_volume_size
        volume = backend.create("data", 8 * MIB, **options)
        backend.driver.delete_volume(volume.id)
        backend.drained()


@pytest.mark.parametrize("layout", RAIDS)
def test_a_raid_level_without_code_is_named_until_it_is_there(layout: str, tmp_path: Path) -> None:
    """The target is there, and needs a module of its own for each level."""
    options = RAIDS[layout]
    with bench.backend() as backend:
        with modules.without(layout, tmp_path / "modules"), lacks(layout):
            backend.create("data", 8 * MIB, **options)
        volume = backend.create("data", 8 * MIB, **options)
        modules.unload(layout)
        with modules.without(layout, tmp_path / "again"), lacks(layout):
            backend.driver.initialize_connection(volume.id)
        backend.write(volume.id, b"written")
        backend.driver.delete_volume(volume.id)
        backend.drained()


def test_a_snapshot_without_its_target_is_named_until_it_is_there(tmp_path: Path) -> None:
    with bench.backend() as backend:
        volume = backend.create("data", 8 * MIB, layout="linear")
        with modules.without_any(tmp_path / "modules"), lacks("dm_snapshot"):
            backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
        snapshot = backend.driver.create_snapshot(SnapshotSpec("cut", volume.id))
    bench.sh("lvm", "vgchange", "--activate", "n", bench.VG)
    modules.unload("dm_snapshot")
    with bench.backend() as backend:
        with modules.without_any(tmp_path / "again"), lacks("dm_snapshot"):
            backend.driver.initialize_connection(volume.id)
        backend.driver.delete_snapshot(snapshot.id)
        backend.driver.delete_volume(volume.id)
        backend.drained()


@pytest.mark.parametrize(
    ("options", "module"),
    [({"thinPools": ["pool"]}, "dm_thin_pool"), ({"layout": "raid1"}, "dm_raid")],
    ids=["pool", "layout"],
)
def test_a_backend_that_needs_a_missing_target_serves_as_soon_as_it_is_there(
    options: dict[str, Any], module: str, tmp_path: Path
) -> None:
    given = {"volumeGroup": bench.VG, "backupDirectory": None, **options}
    driver = LvmDriver("test", check(given, Options), Host())
    backend = Backend(driver, pause=0.0)
    with modules.without_any(tmp_path / "modules"):
        backend.set_up().wait(60)
        assert f"run `modprobe {module}`" in str(backend.trouble())
    backend.set_up().wait(60)
    assert backend.use().list_volumes() == []
    backend.close()


def test_a_kernel_without_device_mapper_is_named() -> None:
    hide = 'mount -t tmpfs none /dev/mapper; exec "$@"'
    ask = "from drivers.lvm import devicemapper; devicemapper.devices('LVM-')"
    argv = ["unshare", "--mount", "sh", "-ec", hide, "sh", sys.executable, "-c", ask]
    asked = Host()(argv, ok=(1,))
    last = asked.stderr.splitlines()[-1]
    assert last.startswith(f"drivers.errors.{Unavailable.__name__}: device-mapper does not answer")
    assert "lacks the module dm_mod, which LVM needs" in last
