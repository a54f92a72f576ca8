"""LVM commands by LVM's library, kept loaded, and by a process each: milliseconds and their ratio.

Run by ``tools/lab run --disk 2G -- .venv/bin/python benchmarks/lvm_resident.py``. Both ways take turns on the
same group in one run, because times of different runs say nothing about each other.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from drivers.exec import Arg, Host, Result
from drivers.lvm import commands, config
from drivers.lvm.host import Lvm

VG, ROUNDS = "hearth-benchmark", 10
Times = dict[str, list[float]]


class Processes(Host):
    """A door that starts a process for each command."""

    def __call__(self, argv: Sequence[Arg], **manner: Any) -> Result:
        """See `drivers.exec.Run`."""
        return super().__call__(argv, **{**manner, "resident": None})


def work(number: int) -> Iterator[tuple[str, list[str]]]:
    """The life of a volume, command by command."""
    name, tags = f"v{number}", ["hearth.creating"]
    yield "create thick", list(commands.create_thick(VG, name, extents=4, shape=[], tags=tags))
    yield "tag", list(commands.retag(VG, name, remove=tags))
    yield "extend", list(commands.extend(VG, name, extents=8))
    yield "report", list(commands.full_report(VG))
    yield "deactivate", list(commands.deactivate(VG, name))
    yield "activate", list(commands.activate(VG, name))
    yield "remove", list(commands.remove(VG, name))
    yield "create thin", list(commands.create_thin(VG, name, pool="pool", size=1 << 24, tags=tags))
    yield "snapshot", list(commands.snapshot_thin(VG, name, f"s{number}", skip=True, tags=tags))
    yield "remove thin", list(commands.remove(VG, name, f"s{number}"))


def timed(call: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


def measure(directory: Path) -> Mapping[str, Times]:
    """The milliseconds of each command, by each way."""
    ways = {"process": Lvm(Processes(), VG, directory), "resident": Lvm(Host(), VG, directory)}
    for lvm in ways.values():
        lvm.report()
    found: dict[str, Times] = {}
    for number in range(ROUNDS):
        for way, lvm in ways.items():
            for name, argv in work(number):
                took = timed(lambda lvm=lvm, argv=argv: lvm.run(argv))  # type: ignore[misc]
                found.setdefault(name, {}).setdefault(way, []).append(took)
    return found


def main() -> None:
    """Make a group on the first disk, measure, print."""
    disk = os.environ["HEARTH_LAB_DISKS"].split()[0]
    host = Host()
    host(["lvm", "vgcreate", "--yes", VG, disk])
    host(["lvm", "lvcreate", "--yes", "-T", "-L", "500m", "-Zy", f"{VG}/pool"])
    with tempfile.TemporaryDirectory() as folder:
        config.write(Path(folder), [disk])
        for name, times in measure(Path(folder)).items():
            process, resident = (statistics.median(times[way]) for way in ("process", "resident"))
            ratio = process / resident
            print(f"{name:14} {process:7.1f} ms {resident:7.1f} ms  {ratio:5.1f} times faster")


if __name__ == "__main__":
    main()
