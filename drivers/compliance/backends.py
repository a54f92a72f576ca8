"""The backends that the kit makes for Hearth's own drivers, on the disks of the lab.

The lab names its disks in ``HEARTH_LAB_DISKS``; nothing else is ever written to. Each backend is made
for one run of the kit and taken away after it.
"""

from __future__ import annotations

import os
import tempfile
from abc import ABC
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType

from drivers.errors import Invalid
from drivers.exec import Host, Run
from drivers.interface import GroupDriver

Options = Mapping[str, object]
Prepare = Callable[[], AbstractContextManager[Options]]

LACKS: Mapping[tuple[str, str], frozenset[type[ABC]]] = MappingProxyType(
    # Thick volumes cannot be frozen together, which is refused: `tests/integration/lvm` sees to that.
    {("lvm", "linear"): frozenset({GroupDriver})}
)
"""Driver and kind of backend, with the interfaces that are of no use there."""
DISKS = "HEARTH_LAB_DISKS"
GROUP = "hearth_compliance"
POOL = "pool"


def built_in() -> Mapping[str, Mapping[str, Prepare]]:
    """Driver name to kinds of backend to how each is made; it is made when the context is entered."""
    return {
        "loop": {
            "copy": partial(_directory, "ext4", ()),
            "reflink": partial(_directory, "xfs", ("-m", "reflink=1")),
        },
        "lvm": {"thin": _thin_pool, "linear": _volume_group},
    }


@contextmanager
def _directory(fs_type: str, options: Sequence[str]) -> Iterator[Options]:
    """A loop backend on a filesystem of its own."""
    run = Host()
    disk = _disks(1)[0]
    with tempfile.TemporaryDirectory(prefix="hearth-compliance-") as folder, _wiped(run, [disk]):
        run([f"mkfs.{fs_type}", "-q", *options, disk])
        run(["mount", "-o", "nodev", disk, folder])
        try:
            yield {"directory": folder}
        finally:
            run(["umount", folder])


@contextmanager
def _volume_group() -> Iterator[Options]:
    """An LVM backend of thick volumes over two disks."""
    run, disks = Host(), _disks(2)
    with ExitStack() as stack:
        stack.enter_context(_wiped(run, disks))
        for disk in disks:
            run(["lvm", "pvcreate", "--quiet", disk])
            stack.callback(run, ["lvm", "pvremove", "--quiet", "--yes", disk])
        run(["lvm", "vgcreate", "--quiet", GROUP, *disks])
        stack.callback(run, ["lvm", "vgremove", "--quiet", "--force", "--yes", GROUP])
        # Copies are made by the clock: a crash that is counted in programs could hit one or not.
        yield {"volumeGroup": GROUP, "backupDirectory": None}


@contextmanager
def _thin_pool() -> Iterator[Options]:
    """An LVM backend of thin volumes: a pool that zeroes new blocks and refuses when it is full."""
    run = Host()
    with _volume_group() as options:
        pool = ["--type", "thin-pool", "--zero", "y", "--name", POOL]
        size = ["--extents", "80%FREE", "--poolmetadatasize", "8m"]
        run(["lvm", "lvcreate", "--quiet", "--yes", *pool, *size, GROUP])
        # lvcreate does not take this one for a pool.
        run(["lvm", "lvchange", "--quiet", "--errorwhenfull", "y", f"{GROUP}/{POOL}"])
        yield {**options, "thinPools": [POOL]}


@contextmanager
def _wiped(run: Run, disks: Sequence[Path]) -> Iterator[None]:
    """Disks without signatures, at the begin and again at the end."""
    try:
        run(["wipefs", "--all", "--quiet", *disks])
        yield
    finally:
        run(["wipefs", "--all", "--quiet", *disks])


def _disks(count: int) -> Sequence[Path]:
    disks = [Path(disk) for disk in os.environ.get(DISKS, "").split()]
    if len(disks) < count:
        raise Invalid(
            f"{count} disks are needed in {DISKS}, there are {len(disks)}: run the kit by"
            f" `tools/lab run {'--disk 2G ' * count}-- ...`, or give --backend-config"
        )
    return disks[:count]
