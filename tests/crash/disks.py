"""Two disks with a volume group, which can be set back to a moment that was kept.

They are loop devices over files in memory: setting back is copying the files, which takes a tenth of the
time of making the objects anew, and gives every death the same ids to begin with. The kernel's devices and
mounts are no part of what is kept; a world that is set back is one after a reboot.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from drivers import mountinfo
from drivers.exec import Host
from drivers.lvm import devicemapper
from drivers.model import MIB

GROUP, POOL = "hearth-crash", "pool0"
SIZE = 416 * MIB
EXTENT = 4 * MIB
START = 2 * MIB
"""Where the first extent begins on a disk: behind label and metadata area."""

PR_SET_CHILD_SUBREAPER = 36
BLKFLSBUF = 0x1261


@dataclass(frozen=True, slots=True)
class Kept:
    """Copies of the disks, and the device-mapper prefix of the group on them."""

    files: tuple[Path, ...]
    prefix: str


class Disks:
    """The disks, the kubelet's directory, and everything that has to go before they are set back."""

    def __init__(self, folder: Path, devices: Sequence[Path]) -> None:
        self.folder = folder
        self.devices = devices
        self.kubelet = folder / "kubelet"
        self.prefix = ""
        # Programs that outlive a killed process become ours, so that they can be waited for.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    @property
    def files(self) -> Sequence[Path]:
        """What is behind the devices."""
        return [self.folder / f"disk{number}" for number in range(len(self.devices))]

    def make_group(self, pool_size: int | None) -> None:
        """Empty disks with a new group on them; with a ``pool_size`` in bytes it has a thin pool."""
        self.stop()
        for file in self.files:
            os.truncate(file, 0)
            os.truncate(file, SIZE)
        self._forget_cached()
        devices = [str(device) for device in self.devices]
        _said("lvm", "vgcreate", "--yes", "--metadatasize", "1m", "--", GROUP, *devices)
        if pool_size:
            size = ["--size", f"{pool_size}b", "--", f"{GROUP}/{POOL}"]
            _said(
                "lvm", "lvcreate", "--yes", "--thin", "--zero", "y", "--errorwhenfull", "y", *size
            )
        fields = "vg_uuid,vg_extent_size,pe_start"
        told = _said("lvm", "pvs", "--noheadings", "--units", "b", "--options", fields).split()
        assert told[1:3] == [f"{EXTENT}B", f"{START}B"], told
        self.prefix = f"LVM-{told[0].replace('-', '')}"

    def keep(self, name: str) -> Kept:
        """Keep this moment; nothing of the group is active afterwards."""
        self.stop()
        for device in self.devices:
            _flush(device)
        files = tuple(self.folder / f"{name}-{file.name}" for file in self.files)
        for file, kept in zip(self.files, files, strict=True):
            _copy(file, kept)
        return Kept(files, self.prefix)

    def set_back(self, kept: Kept) -> None:
        """Make the disks what they were."""
        self.stop()
        self._forget_cached()
        for file, held in zip(self.files, kept.files, strict=True):
            _copy(held, file)
        self._forget_cached()
        self.prefix = kept.prefix

    def stop(self) -> None:
        """End orphaned programs, mounts and devices, as a reboot would."""
        wait_for_orphans()
        for mount in reversed(mountinfo.read()):
            if mount.target.is_relative_to(self.kubelet):
                _said("umount", "--", str(mount.target))
        shutil.rmtree(self.kubelet, ignore_errors=True)
        self.kubelet.mkdir()
        if self.prefix:
            self._remove_devices()
        shutil.rmtree(Path("/dev") / GROUP, ignore_errors=True)

    def _remove_devices(self) -> None:
        while devices := devicemapper.devices(self.prefix):
            for each in devices:
                if each.suspended:
                    devicemapper.resume(each.name)
            free = [each for each in devices if not each.opened]
            assert free, f"these devices cannot be removed: {devices}"
            # A merge first: one that goes on while another snapshot has gone already overwrites what that
            # snapshot shows, which neither LVM nor a power cut lets happen.
            free.sort(key=lambda each: not _is_merging(each))
            _said("dmsetup", "remove", *(each.name for each in free))

    def _forget_cached(self) -> None:
        for device in self.devices:
            _flush(device)


@contextmanager
def disks(folder: Path) -> Iterator[Disks]:
    """Two empty loop devices, gone afterwards."""
    files = [folder / "disk0", folder / "disk1"]
    for file in files:
        file.touch()
        os.truncate(file, SIZE)
    devices = [Path(_said("losetup", "--find", "--show", str(file)).strip()) for file in files]
    made = Disks(folder, devices)
    try:
        yield made
    finally:
        made.stop()
        for device in devices:
            _said("losetup", "--detach", str(device))


def wait_for_orphans() -> None:
    """Wait for what killed processes left running."""
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _copy(source: Path, target: Path) -> None:
    """Make a file the same as another, holes too, without replacing it."""
    target.touch()
    with source.open("rb", 0) as origin, target.open("r+b", 0) as written:
        os.ftruncate(written.fileno(), 0)
        os.ftruncate(written.fileno(), SIZE)
        for start, end in data(origin.fileno()):
            for at in range(start, end, MIB):
                part = os.pread(origin.fileno(), min(MIB, end - at), at)
                os.pwrite(written.fileno(), part, at)


def data(descriptor: int) -> Iterator[tuple[int, int]]:
    """Begin and end of each part of a file that is no hole."""
    end = 0
    while True:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, end


def _is_merging(device: devicemapper.Device) -> bool:
    return any(each.type == "snapshot-merge" for each in devicemapper.status(device.uuid))


def _flush(device: Path) -> None:
    with device.open("rb", 0) as opened:
        fcntl.ioctl(opened, BLKFLSBUF)


def _said(*command: str) -> str:
    return Host()(command).stdout
