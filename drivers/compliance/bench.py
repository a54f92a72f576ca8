"""What a check needs: the driver, its bytes, and the patience of a caller."""

from __future__ import annotations

import os
import random
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar, cast

from drivers.compliance import adoptions
from drivers.compliance.subjects import Bed
from drivers.errors import Busy
from drivers.exec import deadline
from drivers.interface import (
    CloneDriver,
    GroupDriver,
    RevertDriver,
    SnapshotDriver,
    VolumeDriver,
    abilities,
)
from drivers.model import (
    MIB,
    Connection,
    Properties,
    SizeRange,
    Snapshot,
    SnapshotSpec,
    Volume,
    VolumeId,
    VolumeSpec,
)

Given = ParamSpec("Given")
Answer = TypeVar("Answer")

PATIENCE = 60.0
"""Seconds for which the kit repeats a call that is told to ask again."""
PAUSE = 0.05
SIZE = 4 * MIB
"""The least that the kit's volumes have."""
LARGE = 32 * MIB
"""Enough that a copy takes longer than its user's writes."""
READING = ("get_", "find_", "list_")
PROPERTIES = Properties(
    fs_type="ext4",
    access_modes=("SINGLE_NODE_WRITER",),
    pvc_name="data-db-0",
    pvc_namespace="shop",
    pv_name="pvc-0815",
    storage_class="fast",
    mkfs_options="-E lazy_itable_init=1",
)


class Bench:
    """A driver on a backend that is the kit's alone."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._threads = set(threading.enumerate())
        self._driver = bed.open()
        self._connected: dict[VolumeId, Connection] = {}
        self.called: set[str] = set()
        """The names that were asked of the driver."""

    @property
    def driver(self) -> VolumeDriver:
        """The driver; what is called on it is noted."""
        return cast(VolumeDriver, Recorded(self._driver, self._note))

    @property
    def snapshots(self) -> SnapshotDriver:
        """The driver, by its ability to make snapshots."""
        return cast(SnapshotDriver, self.driver)

    @property
    def groups(self) -> GroupDriver:
        """The driver, by its ability to freeze several volumes together."""
        return cast(GroupDriver, self.driver)

    @property
    def clones(self) -> CloneDriver:
        """The driver, by its ability to clone."""
        return cast(CloneDriver, self.driver)

    @property
    def reverts(self) -> RevertDriver:
        """The driver, by its ability to revert."""
        return cast(RevertDriver, self.driver)

    def restart(self) -> None:
        """Go on with a new instance, as a new process would."""
        self._connected.clear()
        self.close()
        self._driver = self._bed.open()

    def close(self) -> None:
        """Close the driver; its background work must have stopped when that returns."""
        self.driver.close()
        left = [each.name for each in set(threading.enumerate()) - self._threads]
        assert not left, f"close() returned while these threads went on: {left}"

    def clear(self) -> None:
        """Delete everything; nothing may be left that the driver lists or still wipes."""
        driver = self._driver
        self._connected.clear()
        if isinstance(driver, GroupDriver):
            self._clear_groups(driver)
        if isinstance(driver, SnapshotDriver):
            adoptions.clear_snapshots(driver, self.done)
        adoptions.take_over(driver, self.done)
        if isinstance(driver, SnapshotDriver):
            adoptions.clear_snapshots(driver, self.done)
            assert not driver.list_snapshots()
        for volume in driver.list_volumes():
            self.done(driver.delete_volume, volume.id)
        assert not driver.list_volumes()
        self.done(self._wiped)

    def _clear_groups(self, driver: GroupDriver) -> None:
        for cut in driver.list_group_snapshots():
            self.done(driver.delete_group_snapshot, cut.id)
        for group in driver.list_groups():
            self.done(driver.delete_group, group.id)
        assert not driver.list_group_snapshots()
        assert not driver.list_groups()

    @property
    def unit(self) -> int:
        """What sizes are rounded up to, in bytes."""
        return self._driver.get_volume_stats({}, refresh=True).allocation_unit

    @property
    def provisioned(self) -> int:
        """The bytes that the backend says it has promised."""
        return self._driver.get_volume_stats({}, refresh=True).provisioned_capacity

    def _wiped(self) -> None:
        if wiping := self._driver.get_volume_stats({}, refresh=True).wiping:
            raise Busy(f"{wiping} deleted objects are still being wiped")

    def settled(self, provisioned: int) -> None:
        """Raises `Busy` until the room of what was deleted has come back."""
        stats = self._driver.get_volume_stats({}, refresh=True)
        if stats.wiping or stats.provisioned_capacity != provisioned:
            raise Busy(f"{stats.provisioned_capacity} bytes are provisioned, not {provisioned}")

    def spec(self, name: str, size: int = SIZE) -> VolumeSpec:
        """A request for a volume of at least ``size`` bytes."""
        return VolumeSpec(name, SizeRange(size), properties=PROPERTIES)

    def create(self, name: str = "volume", size: int = SIZE) -> Volume:
        """A new empty volume."""
        return self.done(self.driver.create_volume, self.spec(name, size))

    def snapshot(self, volume: Volume, name: str = "snapshot") -> Snapshot:
        """A new snapshot of a volume, which is disconnected for it."""
        self.disconnect(volume.id)
        spec = SnapshotSpec(name, volume.id, {"namespace": "shop"})
        return self.done(self.snapshots.create_snapshot, spec)

    def done(
        self, call: Callable[Given, Answer], *args: Given.args, **kwargs: Given.kwargs
    ) -> Answer:
        """The call's answer, repeated while it says that it should be asked again."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return call(*args, **kwargs)
            except Busy:
                if time.monotonic() > end:
                    raise
                time.sleep(PAUSE)

    @contextmanager
    def connected(self, volume_id: VolumeId) -> Iterator[Connection]:
        """The volume's device, for the block."""
        connection = self.done(self.driver.initialize_connection, volume_id)
        try:
            yield connection
        finally:
            self.disconnect(volume_id)

    def disconnect(self, volume_id: VolumeId) -> None:
        """Take the volume's device away."""
        self.driver.terminate_connection(volume_id)

    def write(self, volume_id: VolumeId, content: bytes, at: int = 0) -> None:
        """Put bytes into a volume, durably. It stays connected: connecting is slow in the lab."""
        write_device(self._device(volume_id), content, at)

    def read(self, volume_id: VolumeId) -> bytes:
        """Every byte of a volume. It stays connected."""
        return read_device(self._device(volume_id))

    def read_new(self, volume: Volume) -> bytes:
        """As `read`, of a new volume; fails unless it has the zeros that it promises."""
        content = self.read(volume.id)
        assert content[:MIB] == content[-MIB:] == bytes(MIB)
        assert not (volume.zeroed and content.strip(b"\0"))
        return content

    def _device(self, volume_id: VolumeId) -> Connection:
        connection = self._connected.get(volume_id)
        if connection is None:
            connection = self.done(self.driver.initialize_connection, volume_id)
            self._connected[volume_id] = connection
        return connection

    def _note(self, name: str) -> None:
        self.called.add(name)
        if not name.startswith(READING):
            self._connected.clear()  # the device may be another volume's from now on

    def able(self, interface: type[object]) -> bool:
        """Whether the driver has this ability."""
        return interface in abilities(type(self._driver))


class Recorded:
    """Somebody's object, of which it is noted what was asked."""

    def __init__(self, inner: object, note: Callable[[str], None]) -> None:
        self._inner = inner
        self._note = note

    def __getattr__(self, name: str) -> object:
        self._note(name)
        return getattr(self._inner, name)


def pattern(seed: int, size: int = SIZE) -> bytes:
    """Bytes that no other seed gives, and that no filesystem makes smaller."""
    return random.Random(seed).randbytes(size)  # noqa: S311  (a pattern, not a secret)


def write_device(connection: Connection, content: bytes, at: int = 0) -> None:
    """Write to a connected device and wait until it is stored."""
    with connection.path.open("r+b", 0) as device:
        device.seek(at)
        view = memoryview(content)
        while view:
            view = view[device.write(view) :]
        os.fsync(device.fileno())


def read_device(connection: Connection) -> bytes:
    """Read a connected device from its storage, not from the page cache."""
    with connection.path.open("rb") as device:
        os.posix_fadvise(device.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        return device.read()


def device_size(connection: Connection) -> int:
    """The bytes that a connected device has."""
    with connection.path.open("rb") as device:
        return device.seek(0, os.SEEK_END)


def is_device(connection: Connection) -> bool:
    """Whether it is a block device; a plain file knows nothing of who has it open."""
    return stat.S_ISBLK(connection.path.stat().st_mode)


@contextmanager
def in_a_hurry(seconds: float) -> Iterator[None]:
    """A caller that stops waiting after so long."""
    token = deadline.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        deadline.reset(token)
