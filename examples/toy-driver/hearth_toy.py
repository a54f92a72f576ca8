"""Volumes as plain files: the smallest driver that passes the compliance kit."""

import hashlib
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from drivers import errors, interface
from drivers.model import MIB, Connection, Content, Volume, VolumeId, VolumeSpec, VolumeStats

KEY = "user.hearth"  # the extended attribute with what is known of a volume
DECODER = msgspec.json.Decoder(Volume)  # made once: msgspec may crash where two threads make theirs


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    directory: Path
    capacity: int


@interface.volumedriver("toy")
class ToyDriver(interface.VolumeDriver):
    """One plain file per volume, in a directory."""

    VERSION, VENDOR_NAME, STORAGE_PROTOCOL = "1.0.0", "Example", "local"
    CI_WIKI_NAME = "https://example.org/toy-driver"
    Options = Options

    @property
    def backend_id(self) -> str:
        return os.getxattr(self.options.directory, KEY).decode()

    def do_setup(self) -> None:
        if not self.options.directory.is_dir():
            raise errors.Absent(f"there is no directory {self.options.directory}: make it")
        with suppress(FileExistsError):
            os.setxattr(self.options.directory, KEY, uuid.uuid4().hex.encode(), os.XATTR_CREATE)
        for unfinished in self.options.directory.glob("*.new"):
            unfinished.unlink()

    def check_for_setup_error(self) -> None: ...

    def close(self) -> None: ...

    def get_volume_stats(self, options: Mapping[str, str], *, refresh: bool) -> VolumeStats:
        total, used = self.options.capacity, sum(each.size for each in self.list_volumes())
        who = (self.VERSION, self.VENDOR_NAME, self.name, self.STORAGE_PROTOCOL)
        room = (total, total - used, used, total - used, MIB)
        return VolumeStats(*who, *room, volumes=len(self.list_volumes()))

    def create_volume(self, spec: VolumeSpec) -> Volume:
        if found := self.find_volume(spec.name):
            return found
        if (size := self._fitting(spec.size.required)) not in spec.size:
            raise errors.OutOfRange(f"{size} bytes are above the limit of {spec.size.limit}")
        volume_id, asked = self._id_of(spec.name), spec.size.required
        volume = Volume(volume_id, size, asked, Content.BLANK, spec.properties, zeroed=True)
        fresh = self._file(volume_id).with_suffix(".new")
        with fresh.open("wb") as file:
            file.truncate(size)
            os.setxattr(file.fileno(), KEY, msgspec.json.encode(volume))
            os.fsync(file.fileno())
        fresh.rename(self._file(volume_id))  # before it there is no volume, after it all of it
        return volume

    def delete_volume(self, volume_id: VolumeId) -> None:
        if volume_id in self._volumes():
            self._file(volume_id).unlink()

    def get_volume(self, volume_id: VolumeId) -> Volume:
        if volume := self._volumes().get(volume_id):
            return volume
        raise errors.NotFound(f"backend {self.name} has no volume {volume_id}")

    def find_volume(self, name: str) -> Volume | None:
        return self._volumes().get(self._id_of(name))

    def list_volumes(self) -> Sequence[Volume]:
        return sorted(self._volumes().values(), key=lambda each: each.id)

    def initialize_connection(self, volume_id: VolumeId) -> Connection:
        file = self._file(volume_id)
        return Connection(file, self.get_volume(volume_id).size, backing_file=file)

    def terminate_connection(self, volume_id: VolumeId) -> None: ...

    def extend_volume(self, volume_id: VolumeId, new_size: int) -> Volume:
        present = self.get_volume(volume_id).size
        os.truncate(self._file(volume_id), max(present, self._fitting(new_size, present)))
        return self.get_volume(volume_id)

    def set_content(self, volume_id: VolumeId, content: Content) -> Volume:
        volume = replace(self.get_volume(volume_id), content=content)
        os.setxattr(self._file(volume_id), KEY, msgspec.json.encode(volume))
        return volume

    def _volumes(self) -> dict[VolumeId, Volume]:
        volumes = {}
        for file in self.options.directory.glob("*.raw"):
            with suppress(FileNotFoundError):  # deleted meanwhile
                kept = DECODER.decode(os.getxattr(file, KEY))
                volumes[kept.id] = replace(kept, size=file.stat().st_size)
        return volumes

    def _fitting(self, required: int, present: int = 0) -> int:
        size = -(-required // MIB) * MIB
        if size - present > (free := self.get_volume_stats({}, refresh=True).free_capacity):
            raise errors.Exhausted(f"{size - present} bytes are needed, {free} are free")
        return size

    def _id_of(self, name: str) -> VolumeId:
        return VolumeId(f"{self.backend_id}.{hashlib.sha256(name.encode()).hexdigest()}")

    def _file(self, volume_id: VolumeId) -> Path:
        return self.options.directory / f"{volume_id.partition('.')[2]}.raw"
