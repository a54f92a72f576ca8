"""A small driver on real thin volumes, for tests of what a node does with devices.

What it knows of volumes is in a file, what they hold is in LVM, run as plain commands: no tags, none of
what `drivers.lvm` is for.
"""

from __future__ import annotations

import itertools
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import msgspec

from drivers.errors import InUse, NotFound, Unavailable
from drivers.exec import Run
from drivers.interface import VolumeDriver
from drivers.model import (
    Connection,
    Content,
    Source,
    SourceKind,
    Volume,
    VolumeId,
    VolumeSpec,
    VolumeStats,
)
from drivers.quiesce import quiesced

VG = "nodetest"
POOL = "pool"


class ThinOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the driver keeps what it knows."""

    memory: str


class ThinDriver(VolumeDriver):
    """Thin volumes of the volume group that `prepared` made."""

    VERSION = "1.0.0"
    VENDOR_NAME = "Hearth tests"
    CI_WIKI_NAME = "tests/fakes/thin.py"
    STORAGE_PROTOCOL = "local"
    Options = ThinOptions

    def __init__(self, name: str, options: msgspec.Struct, run: Run) -> None:
        super().__init__(name, options, run)
        assert isinstance(options, ThinOptions)
        self._memory = Path(options.memory)
        self.volumes: dict[VolumeId, Volume] = {}
        self.stuck = False
        """Whether the driver cannot tell anything now."""
        self._numbers = itertools.count(1)

    @property
    def backend_id(self) -> str:
        return VG

    def do_setup(self) -> None:
        pass

    def check_for_setup_error(self) -> None:
        pass

    def close(self) -> None:
        pass

    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        return VolumeStats("1", "tests", self.name, "local", 1 << 40, 1 << 40)

    def create_volume(self, spec: VolumeSpec) -> Volume:
        volume_id = self._next()
        size = spec.size.required
        self.run(
            ["lvm", "lvcreate", "-q", "-V", f"{size}b", "-T", f"{VG}/{POOL}", "-n", _lv(volume_id)]
        )
        return self._keep(
            Volume(volume_id, size, size, Content.BLANK, spec.properties, zeroed=True)
        )

    def clone(self, volume_id: VolumeId, size: int | None = None) -> Volume:
        """A volume with the bytes that another has now, which is held still as by a snapshot."""
        copy = self._next()
        command = ["lvm", "lvcreate", "-q", "-kn", "-s", "-n", _lv(copy), f"{VG}/{_lv(volume_id)}"]
        with quiesced(_number(_path(volume_id)), limit=10):
            self.run(command)
        if size is not None:
            self.run(["lvm", "lvextend", "-q", "-L", f"{size}b", f"{VG}/{_lv(copy)}"])
        return self._copied(volume_id, copy, size)

    def copy_blocks(self, volume_id: VolumeId) -> Volume:
        """A volume with the blocks of another, which is in use and held by nobody, not even the kernel.

        Newer kernels freeze a btrfs when its device is suspended: their snapshots show no log.
        """
        copy = self._next()
        size = self.get_volume(volume_id).size
        self.run(["lvm", "lvcreate", "-q", "-V", f"{size}b", "-T", f"{VG}/{POOL}", "-n", _lv(copy)])
        ends = [f"if={_path(volume_id)}", f"of={_path(copy)}"]
        self.run(["dd", "bs=1M", "iflag=direct", "oflag=direct", "status=none", *ends])
        return self._copied(volume_id, copy)

    def _copied(self, volume_id: VolumeId, copy: VolumeId, size: int | None = None) -> Volume:
        source = self.get_volume(volume_id)
        was = source.content
        content = Content.INHERITED if was is Content.FORMATTED else was
        kept = replace(source, id=copy, size=size or source.size, content=content)
        return self._keep(replace(kept, source=Source(SourceKind.VOLUME, volume_id)))

    def delete_volume(self, volume_id: VolumeId) -> None:
        self.volumes.pop(volume_id, None)
        self.run(["lvm", "lvremove", "-q", "-y", f"{VG}/{_lv(volume_id)}"], ok=(0, 5))

    def delete_all(self) -> None:
        """Delete all volumes by one command."""
        if lvs := [f"{VG}/{_lv(each)}" for each in self.volumes]:
            self.run(["lvm", "lvremove", "-q", "-y", *lvs])
        self.volumes.clear()

    def get_volume(self, volume_id: VolumeId) -> Volume:
        self._require_well()
        if volume_id not in self.volumes:
            raise NotFound(f"there is no volume {volume_id}")
        return self.volumes[volume_id]

    def find_volume(self, name: str) -> Volume | None:
        raise NotImplementedError

    def list_volumes(self) -> Sequence[Volume]:
        return list(self.volumes.values())

    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        volume = self.get_volume(volume_id)
        if not self.is_active(volume_id):
            self.run(["lvm", "lvchange", "-q", "-ay", "-K", f"{VG}/{_lv(volume_id)}"])
        return Connection(_path(volume_id), volume.size, dm_uuid=_dm_uuid(_path(volume_id)))

    def terminate_connection(self, volume_id: VolumeId) -> None:
        self._require_well()
        if not self.is_active(volume_id):
            return
        if self.run(["lvm", "lvchange", "-q", "-an", f"{VG}/{_lv(volume_id)}"], ok=(0, 5)).code:
            raise InUse(f"volume {volume_id} is open")

    def extend_volume(self, volume_id: VolumeId, new_size: int) -> Volume:
        self.run(["lvm", "lvextend", "-q", "-L", f"{new_size}b", f"{VG}/{_lv(volume_id)}"])
        return self._keep(replace(self.get_volume(volume_id), size=new_size))

    def set_content(self, volume_id: VolumeId, content: Content) -> Volume:
        self.run.step(f"content {content.value}")
        return self._keep(replace(self.get_volume(volume_id), content=content))

    def is_active(self, volume_id: VolumeId) -> bool:
        """Whether the volume has a device now."""
        return _path(volume_id).exists()

    def _require_well(self) -> None:
        if self.stuck:
            raise Unavailable("LVM does not answer")

    def _next(self) -> VolumeId:
        return VolumeId(f"{VG}.v{next(self._numbers)}")

    def recall(self) -> None:
        """Know what another process, which may be dead, made of the volumes."""
        self.volumes = pickle.loads(self._memory.read_bytes())  # noqa: S301 - our own file

    def _keep(self, volume: Volume) -> Volume:
        self.volumes[volume.id] = volume
        fresh = self._memory.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(self.volumes))
        fresh.replace(self._memory)
        return volume


def _lv(volume_id: VolumeId) -> str:
    return volume_id.partition(".")[2]


def _path(volume_id: VolumeId) -> Path:
    return Path("/dev/mapper", f"{VG}-{_lv(volume_id)}")


def _number(path: Path) -> tuple[int, int]:
    found = path.stat().st_rdev if path.exists() else 0
    return os.major(found), os.minor(found)


def _dm_uuid(path: Path) -> str:
    major, minor = _number(path)
    return Path(f"/sys/dev/block/{major}:{minor}/dm/uuid").read_text().strip()
