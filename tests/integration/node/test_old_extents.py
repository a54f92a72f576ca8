"""A filesystem on the extents of a thick volume that held somebody's ext4, which nobody has wiped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csi.node import devices
from csi.node.devices import Device
from csi.node.filesystems import filesystems
from csi.node.mounts import Mounts
from csi.node.preparation import Preparation
from drivers.exec import Host
from drivers.model import MIB, Connection, Content, FsType
from tests.fakes import old_ext4
from tests.integration.lvm import bench

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]

SIZE = 256 * MIB
RUN = Host()


@contextmanager
def somebodys(size: int) -> Iterator[Device]:
    """A logical volume that Hearth knows nothing of; it is gone afterwards, and its bytes are not."""
    bench.sh("lvm", "lvcreate", "--yes", "-Wn", "-Zn", "-L", f"{size}b", "-n", "old", bench.VG)
    path = Path(f"/dev/{bench.VG}/old")
    uuid = bench.sh("dmsetup", "info", "-c", "--noheadings", "-o", "uuid", str(path)).strip()
    with devices.opened(Connection(path, size, dm_uuid=uuid)) as device:
        yield device
    bench.sh("lvm", "lvremove", "--yes", f"{bench.VG}/old")


@pytest.fixture
def backend() -> Iterator[bench.Backend]:
    """A group with room for exactly one volume, full of an old ext4."""
    with bench.disks([SIZE + 8 * MIB]) as disks, bench.group(disks), bench.backend() as made:
        yield made


def test_nothing_of_an_old_ext4_shows_through_a_new_one(
    backend: bench.Backend, tmp_path: Path
) -> None:
    with somebodys(SIZE) as device:
        old_ext4.leave(RUN, device, tmp_path / "old")
    volume, driver = backend.create("new", SIZE), backend.driver
    assert not volume.zeroed
    ext4 = filesystems(RUN, Mounts(tmp_path, RUN))[FsType.EXT4]
    with devices.opened(driver.initialize_connection(volume.id)) as device:
        Preparation(RUN).prepare(driver, volume, device, ext4)
        assert old_ext4.inodes(RUN, device) <= old_ext4.FRESH
        old_ext4.tool(RUN, device, "e2fsck", "-f", "-n")
        old_ext4.damage(RUN, device)
        ext4.check(device)
    assert driver.get_volume(volume.id).content is Content.FORMATTED
    driver.terminate_connection(volume.id)
