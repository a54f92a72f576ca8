"""What the driver asks of the machine past `Run`: the kernel, the disks' headers, blocks, a group cut.

One object that holds all of them, so that a test can put a machine in memory in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from drivers.exec import Run
from drivers.lvm import blocks, devicemapper
from drivers.lvm.blocks import Tick, untold
from drivers.lvm.headers import Fingerprint, Headers
from drivers.lvm.moment import Cutter, cut_together
from drivers.model import Connection
from drivers.signatures import Look


class Kernel(Protocol):
    """What is asked of device-mapper: see the functions of `drivers.lvm.devicemapper`."""

    def device(self, uuid: str) -> devicemapper.Device | None: ...

    def status(self, uuid: str) -> tuple[devicemapper.Target, ...]: ...

    def devices(self, prefix: str) -> list[devicemapper.Device]: ...

    def resume(self, name: str) -> None: ...


class Blocks(Protocol):
    """What is done with a device's blocks: see the functions of `drivers.lvm.blocks`."""

    def opened(
        self, connection: Connection, *, write: bool = False
    ) -> AbstractContextManager[int]: ...

    def zero(self, descriptor: int, start: int, length: int, tick: Tick = untold) -> None: ...

    def discard(self, descriptor: int, start: int, length: int, tick: Tick = untold) -> None: ...

    def look(self, descriptor: int, size: int, run: Run) -> Look: ...

    def copy(self, source: int, target: int, length: int, tick: Tick = untold) -> None: ...


class Fingerprints(Protocol):
    """What tells that the group was changed: see `drivers.lvm.headers.Headers`."""

    def read(self) -> Fingerprint: ...


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine that the driver runs on."""

    kernel: Kernel = devicemapper
    blocks: Blocks = blocks
    headers: Callable[[Sequence[str]], Fingerprints] = Headers
    cutter: Cutter = cut_together
    moment: float = 2.0
    """Seconds in which whoever suspends devices, and lives, lets them go on."""
