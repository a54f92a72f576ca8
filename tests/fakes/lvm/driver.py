"""The real driver on the machine in memory, one life after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from drivers.errors import StorageError
from drivers.lvm.driver import LvmDriver
from drivers.lvm.machine import Machine
from drivers.lvm.options import Options
from drivers.model import MIB, Properties, SizeRange, Snapshot, SnapshotSpec, Volume, VolumeSpec
from drivers.options import check
from tests.fakes.lvm.machine import FakeLvm
from tests.fakes.lvm.process import Died, Moment, Process


class OnFake(LvmDriver):
    """The driver as it is; its door to programs is also its machine."""

    def _machine(self) -> Machine:
        assert isinstance(self.run, Process)
        return self.run.machine


@dataclass(frozen=True, slots=True)
class Life:
    """A driver that is set up, and the process that it lives in."""

    driver: LvmDriver
    process: Process

    @property
    def lvm(self) -> FakeLvm:
        """The machine."""
        return self.process.lvm

    def volume(self, name: str = "v", size: int = 4 * MIB, **options: str) -> Volume:
        """A volume made empty."""
        return self.driver.create_volume(wanted(name, size, **options))

    def snapshot(self, volume: Volume, name: str = "s") -> Snapshot:
        """A snapshot of it."""
        return self.driver.create_snapshot(SnapshotSpec(name, volume.id))

    def drained(self) -> None:
        """Return when nothing waits to be wiped; raises `Died` if that was the end."""
        self.lvm.wait_for(lambda: self.process.dead or not self.lvm.tagged("hearth.deleting"))
        if self.process.dead:
            raise Died


def wanted(name: str = "v", size: int = 4 * MIB, **options: str) -> VolumeSpec:
    """What a caller asks for."""
    properties = Properties(fs_type="ext4", pvc_name="data-db-0", pvc_namespace="shop")
    return VolumeSpec(name, SizeRange(size), properties, options)


@contextmanager
def life(
    lvm: FakeLvm, dies_at: int | None = None, moment: Moment = Moment.AFTER, **options: Any
) -> Iterator[Life]:
    """A driver from its set-up to its end, which may be sudden."""
    with lived(Process(lvm, dies_at, moment), **options) as alive:
        yield alive


@contextmanager
def lived(process: Process, *, checked: bool = True, **options: Any) -> Iterator[Life]:
    """The same in a process that the caller keeps."""
    directory = process.lvm.directory / "run"
    given = {"volumeGroup": "vg", "runtimeDirectory": str(directory), "backupDirectory": None}
    keys = {**given, **options}
    driver = OnFake("backend", check(keys, Options), process)
    try:
        driver.do_setup()
        if checked:
            driver.check_for_setup_error()
        yield Life(driver, process)
    finally:
        driver.close()


def survives(
    lvm: FakeLvm,
    act: Callable[[Life], object],
    dies_at: int,
    moment: Moment = Moment.AFTER,
    **options: Any,
) -> bool:
    """Whether a process that was to die at that event came to the end of ``act`` without it."""
    process = Process(lvm, dies_at, moment)
    try:
        with lived(process, **options) as alive:
            act(alive)
            alive.drained()
    except (Died, StorageError):
        if not process.dead:
            raise
    return not process.dead
