"""A node of its own for each test: a kubelet's directory, and real thin volumes on a loop device."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from csi.node.access import Access
from csi.node.mounts import Mounts
from csi.node.servicer import Rules, rules
from drivers import mountinfo
from drivers.backends import Backend, Backends
from drivers.exec import Host
from drivers.locks import Locks
from drivers.model import MIB, Properties, SizeRange, Volume, VolumeId, VolumeMode, VolumeSpec
from tests.fakes.thin import POOL, VG, ThinDriver, ThinOptions

SMALLEST = {"ext4": 64 * MIB, "xfs": 320 * MIB, "btrfs": 128 * MIB}


@dataclass
class World:
    """Everything a test of the node needs."""

    root: Path
    run: Host
    driver: ThinDriver
    rules: Rules

    def volume(
        self,
        fs_type: str = "ext4",
        size: int | None = None,
        mode: VolumeMode = VolumeMode.FILESYSTEM,
        mkfs_options: str = "",
    ) -> Volume:
        """An empty volume, large enough for its filesystem."""
        kind = fs_type if mode is VolumeMode.FILESYSTEM else ""
        properties = Properties(mode=mode, fs_type=kind, mkfs_options=mkfs_options)
        size = size or SMALLEST[fs_type]
        return self.driver.create_volume(VolumeSpec("any", SizeRange(size), properties))

    def staging(self, volume_id: VolumeId) -> Path:
        """The staging path of a volume; kubelet makes the directory."""
        path = self.root / "plugins" / volume_id
        path.mkdir(parents=True, exist_ok=True)
        return path

    def target(self, name: str) -> Path:
        """A target path, whose parent kubelet makes."""
        path = self.root / "pods" / name / "mount"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def stage(self, volume: Volume, access: Access | None = None) -> Path:
        """Stage the volume as it was made."""
        path = self.staging(volume.id)
        self.rules.staging.stage(volume.id, path, access or access_of(volume))
        return path

    def publish(
        self,
        volume: Volume,
        name: str = "pod",
        access: Access | None = None,
        *,
        read_only: bool = False,
    ) -> Path:
        """Publish the staged volume for a pod."""
        target = self.target(name)
        self.rules.publisher.publish(
            volume.id,
            self.staging(volume.id),
            target,
            access or access_of(volume),
            read_only=read_only,
        )
        return target

    def unpublish(self, volume: Volume, name: str = "pod") -> None:
        """Undo `publish`."""
        self.rules.publisher.unpublish(volume.id, self.target(name))

    def unstage(self, volume: Volume) -> None:
        """Undo `stage`."""
        self.rules.staging.unstage(volume.id, self.staging(volume.id))

    def device(self, volume: Volume) -> Path:
        """The volume's device, made active."""
        return self.driver.initialize_connection(volume.id).path

    def mounts(self) -> list[mountinfo.Mount]:
        """All mounts in the kubelet's directory."""
        return [each for each in mountinfo.read() if each.target.is_relative_to(self.root)]

    def restarted(self) -> Rules:
        """The rules as a new process has them: nothing in memory."""
        self.rules = wired(self.driver, self.root, self.run)
        return self.rules


def access_of(volume: Volume, mode: str = "SINGLE_NODE_WRITER", *flags: str) -> Access:
    """The use that the volume was made for."""
    properties = volume.properties
    return Access(properties.mode, mode, properties.fs_type, flags)


@pytest.fixture(scope="session")
def volume_group() -> Iterator[str]:
    """A volume group with a thin pool, on the lab's third disk."""
    run, disk = Host(), os.environ["HEARTH_LAB_DISKS"].split()[2]
    run(["lvm", "vgcreate", "-q", VG, disk])
    run(["lvm", "lvcreate", "-q", "-L", "3g", "-T", f"{VG}/{POOL}"])
    yield VG
    run(["lvm", "vgremove", "-q", "-f", "-y", VG])
    run(["lvm", "pvremove", "-q", "-y", disk])


@pytest.fixture
def world(volume_group: str, tmp_path: Path) -> Iterator[World]:
    """A node with no volumes."""
    root, run = tmp_path / "kubelet", Host()
    root.mkdir()
    driver = ThinDriver("thin", ThinOptions(memory=str(tmp_path / "memory")), run)
    yield World(root, run, driver, wired(driver, root, run))
    for mount in reversed(
        [each for each in mountinfo.read() if each.target.is_relative_to(tmp_path)]
    ):
        run(["umount", mount.target])
    driver.delete_all()


def wired(driver: ThinDriver, root: Path, run: Host) -> Rules:
    """The rules of a node as a new process has them."""
    return rules(Backends([Backend(driver)]), Locks(), Mounts(root, run), run)
